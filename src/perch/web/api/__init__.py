"""The REST face, version 1: what programs say and are told. Its contract is docs/api.md."""

from perch.web.api.routes import router

__all__ = ["router"]
