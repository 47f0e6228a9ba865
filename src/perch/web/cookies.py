"""The cookies of Perch: who is signed in, which browser began a sign-in, how the page is coloured."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection, cookie_parser
from starlette.responses import Response

from perch.people.sessions import ABSOLUTE
from perch.settings import Settings

LOGIN_SECONDS = 600
THEME = "perch_theme"
_YEAR = 31_536_000


@dataclass(frozen=True, slots=True)
class Jar:
    """The names of this installation: behind https they carry a prefix that no other host can plant."""

    secure: bool

    @classmethod
    def of(cls, settings: Settings) -> "Jar":
        return cls(settings.origin.startswith("https://"))

    @property
    def session(self) -> str:
        return f"{self._prefix}perch_session"

    @property
    def login(self) -> str:
        return f"{self._prefix}perch_login"

    @property
    def _prefix(self) -> str:
        return "__Host-" if self.secure else ""

    def keep_session(self, response: Response, value: str) -> None:
        self._keep(response, self.session, value, int(ABSOLUTE.total_seconds()))

    def keep_login(self, response: Response, value: str) -> None:
        self._keep(response, self.login, value, LOGIN_SECONDS)

    def keep_theme(self, response: Response, value: str) -> None:
        self._keep(response, THEME, value, _YEAR)

    def drop_session(self, response: Response) -> None:
        self._keep(response, self.session, "", 0)

    def drop_login(self, response: Response) -> None:
        self._keep(response, self.login, "", 0)

    def _keep(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def sent_with(self, headers: "HeaderPairs") -> bool:
        """Whether a request carries a cookie that says who is asking."""
        sent = b"; ".join(value for name, value in headers if name == b"cookie").decode("latin-1")
        # The parser that requests are read with: two parsers could disagree on a broken header.
        return self.session in cookie_parser(sent)


HeaderPairs = list[tuple[bytes, bytes]]


def value_of(connection: HTTPConnection, name: str) -> str | None:
    """A cookie's value, None when it is missing or empty."""
    return connection.cookies.get(name) or None
