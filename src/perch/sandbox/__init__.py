"""A local X: its sign-in, its API, its timeline, and a control plane for tests. It shares no code with Perch."""
