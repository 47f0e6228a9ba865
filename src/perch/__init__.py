"""Perch, a self-hosted publisher for X."""
