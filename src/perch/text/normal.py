"""One spelling for texts that mean the same: what Perch sends, and what it compares."""

import unicodedata


def outgoing(text: str) -> str:
    r"""The text as Perch sends it: ``\n`` ends a line and nothing blank stands around it.

    X is seen to trim the ends itself, and a ``\r\n`` would weigh 2 where people see one line end. Nothing
    else is touched, so what is shown before publishing is what is published.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def normalised(text: str, *, unescape: bool = False) -> str:
    """A spelling for comparing texts: ``outgoing`` in NFC.

    ``unescape`` undoes the three entities of a text that X gave back, and only those: a link may well hold
    ``&copy=`` without meaning a sign.
    """
    if unescape:
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return unicodedata.normalize("NFC", outgoing(text))
