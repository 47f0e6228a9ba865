"""X API v2 as values: every request, every answer, and the one client that sends them."""
