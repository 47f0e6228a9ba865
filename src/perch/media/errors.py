"""Why a file, or what is said about it, is not taken.

PerchError
 ├─ MediaRefused             this file will not do: X's limits, or it is damaged
 │   ├─ MediaTooLarge        a smaller one would
 │   └─ MediaTypeRefused     another format would
 ├─ AltTextTooLong           the description must be shorter
 └─ MediaUnknown             this workspace has no such media
"""

from perch.errors import PerchError


class MediaRefused(PerchError):
    """The file is damaged or X would not take it; ``rule`` says which limit."""

    code = "media_refused"
    status = 422


class MediaTooLarge(MediaRefused):
    """Too many bytes."""

    code = "media_too_large"
    status = 413


class MediaTypeRefused(MediaRefused):
    """Not a JPEG, PNG, GIF, WebP, MP4 or MOV, whatever its name says."""

    code = "media_type_refused"
    status = 415


class AltTextTooLong(PerchError):
    """X takes 1,000 characters of alternative text."""

    code = "alt_text_too_long"
    status = 422


class MediaUnknown(PerchError):
    """There is no such media in this workspace."""

    code = "media_unknown"
    status = 404
