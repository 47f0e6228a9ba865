"""The fault campaign: real processes, public entry points only, and a judge who reads the ledger."""
