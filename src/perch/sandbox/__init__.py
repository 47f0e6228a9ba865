"""A local X: sign-in, API, timeline, and a control plane for tests. It shares no code with Perch."""
