"""Forms as people send them: text that can be kept, files that were really chosen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request

from perch.web.errors import Unreadable

# PostgreSQL keeps no NUL, and UTF-8 no half of a surrogate pair.
_UNKEEPABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Form:
    """The first value of each field, files apart from texts."""

    texts: Mapping[str, str]
    files: Mapping[str, UploadFile]

    def text(self, name: str) -> str:
        """A field's text with plain line ends, empty when it was not sent."""
        return self.texts.get(name, "").replace("\r\n", "\n")

    def file(self, name: str) -> UploadFile | None:
        """The chosen file; browsers send an empty nameless one where nothing was chosen."""
        found = self.files.get(name)
        return found if found is not None and found.filename else None


async def read(request: Request) -> Form:
    """The request's form."""
    fields = await request.form()
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    files = {name: value for name, value in fields.items() if isinstance(value, UploadFile)}
    return Form(texts, files)


def refuse_unkeepable(text: str) -> None:
    """Raise Unreadable for characters that no post can hold."""
    found = _UNKEEPABLE.search(text)
    if found is not None:
        raise Unreadable(
            f"Character {found.start() + 1} of the text is one that no post can hold.",
            fix="Delete it and type it again.",
        )
