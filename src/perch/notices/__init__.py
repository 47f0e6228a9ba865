"""Telling people, once for each cause, what needs them."""
