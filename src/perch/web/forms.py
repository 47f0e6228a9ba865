"""Forms as people send them: text that can be kept, files that were really chosen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from perch.posts.errors import WrongTime
from perch.web.errors import Unreadable

# PostgreSQL keeps no NUL, and UTF-8 no half of a surrogate pair.
_UNKEEPABLE = re.compile(r"[\x00\ud800-\udfff]")
_MOST_FIELDS = 64  # four times what the largest of our forms has


@dataclass(frozen=True, slots=True)
class Form:
    """The last value of each field, files apart from texts."""

    texts: Mapping[str, str]
    files: Mapping[str, UploadFile]

    def text(self, name: str) -> str:
        """A field's text with plain line ends, empty when it was not sent."""
        return self.texts.get(name, "").replace("\r\n", "\n")

    def name(self, name: str) -> str:
        """What a field calls something, looked up as it is; empty where nothing can have such a name."""
        said = self.text(name)
        return "" if _UNKEEPABLE.search(said) else said

    def file(self, name: str) -> UploadFile | None:
        """The chosen file; browsers send an empty nameless one where nothing was chosen."""
        found = self.files.get(name)
        return found if found is not None and found.filename else None


async def sent(request: Request) -> FormData:
    """The fields as they came. Raises Unreadable for a form in another encoding than browsers send ours in.

    Some of Python's encodings end in an error, others in half characters that no database keeps.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() not in {b"utf-8", b"utf8"}:
        raise Unreadable("This form is not written in UTF-8.", fix="Send it as UTF-8.")
    return await request.form(max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS)


async def read(request: Request) -> Form:
    """The request's form."""
    fields = await sent(request)
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    files = {name: value for name, value in fields.items() if isinstance(value, UploadFile)}
    return Form(texts, files)


def wall_time(said: str) -> datetime:
    """What somebody chose in a field for a date and a time: a wall's reading. Raises WrongTime."""
    try:
        return datetime.fromisoformat(said).replace(tzinfo=None)
    except ValueError as error:
        raise WrongTime("This is not a date and a time.", fix="Choose both, and send it again.") from error


def refuse_unkeepable(text: str) -> None:
    """Raise Unreadable for characters that no post can hold."""
    found = _UNKEEPABLE.search(text)
    if found is not None:
        raise Unreadable(
            f"Character {found.start() + 1} of the text is one that no post can hold.",
            fix="Delete it and type it again.",
        )
