"""The history of the schema, applied by ``perch up`` and ``perch migrate``."""
