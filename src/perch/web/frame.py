"""What every page has around it: the rail, the banner, the colours, who is signed in. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_PLACES = (
    ("/", "Queue", "list", "q"),
    ("/compose", "Compose", "square-pen", "n"),
    ("/accounts", "Accounts", "at-sign", "a"),
    ("/help", "Help", "circle-question-mark", "?"),
)
_THEMES = (("system", "Auto", "monitor"), ("light", "Light", "sun"), ("dark", "Dark", "moon"))


def known_theme(value: str | None) -> str:
    """One of the ways a page may be coloured; the system's own where a cookie says something else."""
    return value if value in {theme for theme, _, _ in _THEMES} else "system"


@dataclass(frozen=True, slots=True)
class Place:
    """A way of the rail. ``key`` is the letter that leads there."""

    href: str
    word: str
    icon: str
    key: str
    here: bool


@dataclass(frozen=True, slots=True)
class ThemeChoice:
    """One of the ways the page may be coloured."""

    value: str
    word: str
    icon: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that needs somebody, until it is mended. ``resumes``: the reader may say that it is."""

    id: str
    sentence: str
    fix: str
    waiting: str
    href: str
    resumes: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page. ``person`` is empty for strangers, who see no rail."""

    path: str
    person: str
    csrf_token: str
    theme: str
    sandbox_in_use: bool
    banners: tuple[Banner, ...] = ()
    connect_href: str = "/help#connect"

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(
            Place(href, word, icon, key, here=_is_here(href, self.path)) for href, word, icon, key in _PLACES
        )

    @property
    def themes(self) -> tuple[ThemeChoice, ...]:
        return tuple(ThemeChoice(value, word, icon, value == self.theme) for value, word, icon in _THEMES)


def _is_here(href: str, path: str) -> bool:
    bare = urlsplit(path).path
    # A receipt belongs to the queue, where it was opened from.
    if href == "/":
        return bare == "/" or bare.startswith("/posts/")
    return bare == href or bare.startswith(f"{href}/")
