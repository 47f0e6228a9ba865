"""Guarded outbound GET for addresses given by strangers: the one door through which such requests leave."""

from perch.fetch.errors import FetchFailed, FetchRefused, TooLarge, WrongAllowance
from perch.fetch.getting import Fetched, get

__all__ = ["FetchFailed", "FetchRefused", "Fetched", "TooLarge", "WrongAllowance", "get"]
