"""The small JSON face that custom GPTs know: sign in and post. Its contract is docs/custom-gpts.md."""

from perch.web.gpt.routes import router

__all__ = ["router"]
