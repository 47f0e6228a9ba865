"""The headers every answer carries: what a browser may do with it, and that nobody keeps a copy."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perch.settings import Settings

X_PICTURES = "https://pbs.twimg.com"


def picture_origins(settings: Settings) -> tuple[str, ...]:
    """Where avatars may come from: X's picture host, and the sandbox while there is one."""
    local = urlsplit(settings.local_x_url)
    return (X_PICTURES, f"{local.scheme}://{local.netloc}") if settings.runs_sandbox else (X_PICTURES,)


def policy(settings: Settings) -> str:
    """The content security policy of every page: nothing inline, nothing from elsewhere but avatars."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: blob: {' '.join(picture_origins(settings))}",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def standing(settings: Settings) -> dict[str, str]:
    """The headers that are set where an answer has none of its own."""
    headers = {
        "Content-Security-Policy": policy(settings),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
    }
    if settings.origin.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


class SecurityHeaders:
    """Adds the standing headers; an answer that sets one itself keeps its own."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._standing = standing(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._standing.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)
