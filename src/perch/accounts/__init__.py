"""X apps, X accounts, the life of their tokens, signing in, and the lanes that serialise each account."""
