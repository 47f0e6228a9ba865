"""Requests to X and its answers as plain values; nothing here opens a socket."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote, urlencode

from perch.x.limits import Limits

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A user's OAuth 2.0 access token (RFC 6750 section 2.1)."""

    token: str = field(repr=False)

    @property
    def authorization(self) -> str:
        return f"Bearer {self.token}"


@dataclass(frozen=True, slots=True)
class Basic:
    """A confidential client's own credentials (RFC 6749 section 2.3.1)."""

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def authorization(self) -> str:
        # The RFC form-encodes both parts before joining them; the characters X issues pass unchanged.
        pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True, slots=True)
class Request:
    """One request to X: a path on the API's own host, and the exact bytes of its body.

    ``basic`` is for the token endpoint only; everything else is authorised by whoever sends it.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = field(default=None, repr=False)
    content_type: str | None = None
    basic: Basic | None = None

    @property
    def target(self) -> str:
        """Path and query, percent-encoded (RFC 3986), ready to follow the API's origin."""
        path = quote(self.path, safe="/")
        return f"{path}?{urlencode(self.query, quote_via=quote, safe=',:')}" if self.query else path


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer says about itself. ``date`` is X's clock; X's support asks for ``transaction_id``."""

    status: int
    limits: Limits = field(default_factory=Limits)
    transaction_id: str | None = None
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of X. Header names are in lower case; the body is unpacked and complete."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def head(self) -> Head:
        transaction_id = self.headers.get("x-transaction-id")
        return Head(self.status, Limits.of(self.headers), transaction_id, _date(self.headers.get("date")))


class Operation(Protocol[R_co]):
    """One call of X's API: how it is asked and what its answer means.

    ``repeatable`` says whether sending it twice does no harm; it decides between ``Unavailable`` and
    ``Unconfirmed`` when no verdict came. ``parse`` raises an ``XError`` for everything but success.
    """

    repeatable: ClassVar[bool]

    def request(self) -> Request: ...

    def parse(self, answer: Answer) -> R_co: ...


@dataclass(frozen=True, slots=True)
class Reply(Generic[R]):
    """What an operation made of X's answer, and the answer's own head."""

    result: R
    head: Head


def json_content(value: object) -> bytes:
    """Compact JSON in UTF-8 with members in the order given: equal values make equal bytes.

    Raises UnicodeEncodeError for a lone surrogate, which UTF-8 cannot carry.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def post_json(path: str, value: object) -> Request:
    """A POST whose body is this value."""
    return Request("POST", path, content=json_content(value), content_type="application/json")


def post_form(path: str, fields: Iterable[tuple[str, str]], basic: Basic | None) -> Request:
    """A POST of form fields (RFC 6749 appendix B)."""
    content = urlencode(list(fields), quote_via=quote).encode()
    return Request(
        "POST", path, content=content, content_type="application/x-www-form-urlencoded", basic=basic
    )


def post_multipart(path: str, fields: Mapping[str, str], media: bytes) -> Request:
    """A POST of form fields and one file named ``media`` (RFC 7578)."""
    # Derived from the bytes it parts, the boundary cannot be one of their substrings by design or accident.
    boundary = hashlib.sha256(media).hexdigest()
    opening = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    opening += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="media"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    content = b"".join((opening, media, f"\r\n--{boundary}--\r\n".encode()))
    return Request("POST", path, content=content, content_type=f"multipart/form-data; boundary={boundary}")


def _date(value: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value) if value else None
    except (ValueError, OverflowError):
        return None
    # HTTP dates are in GMT (RFC 9110 section 5.6.7), also where the parser leaves the zone open.
    return parsed.replace(tzinfo=UTC) if parsed else None
