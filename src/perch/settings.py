"""Every setting of Perch: one frozen object, read once from the environment and ``.env``."""

import os
import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict

from perch.errors import PerchError

X_API_URL = "https://api.x.com"
X_AUTHORIZE_URL = "https://x.com/i/oauth2/authorize"
SECRETS = (
    "secret_key", "x_client_secret", "x_api_secret", "x_access_token", "x_access_token_secret",
    "database_url", "smtp_url", "metrics_token", "llm_api_key",
)  # fmt: skip


_DATABASES = ("postgresql+asyncpg://", "sqlite+aiosqlite:///")
# Braces would make a pattern of it, which takes the addresses of pages away from them.
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
# A key's id stands before a dot in what it sealed, so it holds none itself.
_KEY = re.compile(r"(?:(?P<kid>[A-Za-z0-9_-]+):)?(?P<key>[^:\s]+)")
_LEAST_KEY = 32


class WrongSetting(PerchError):
    """A setting that cannot be used; stops the start and names the setting."""

    code = "wrong_setting"


class SandboxMode(StrEnum):
    """When the local X runs."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class SignIn(StrEnum):
    """Who may sign in."""

    FIRST = "first"
    INVITED = "invited"
    OPEN = "open"


class Plan(StrEnum):
    """The operator's contract with X: decides prices and refusals."""

    PAY_PER_USE = "pay-per-use"
    ENTERPRISE = "enterprise"
    LEGACY_FREE = "legacy-free"
    LEGACY_BASIC = "legacy-basic"
    LEGACY_PRO = "legacy-pro"


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


def _split(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """The settings of one process. Field ``host`` is read from ``PERCH_HOST``, and so on for all."""

    model_config = SettingsConfigDict(
        env_prefix="PERCH_",
        env_file=".env",
        env_file_encoding="utf-8",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=1, le=65535)
    public_url: str = ""
    data_dir: Path = Path("data")
    database_url: SecretStr | None = None
    high_water_file: Path | None = None
    secret_key: SecretStr | None = None
    x_client_id: str | None = None
    x_client_secret: SecretStr | None = None
    x_api_url: str = X_API_URL
    x_authorize_url: str = X_AUTHORIZE_URL
    x_callback_path: str = "/auth/x"
    x_plan: Plan = Plan.PAY_PER_USE
    x_revoke_before_refresh: bool = False
    x_look: bool = True
    sandbox: SandboxMode = SandboxMode.AUTO
    sandbox_port: int | None = Field(default=None, ge=1, le=65535)
    sandbox_url: str = ""
    pace: float = Field(default=1.0, gt=0, le=1)
    monthly_budget: Decimal | None = Field(default=None, ge=0, le=1_000_000, decimal_places=6)
    sign_in: SignIn = SignIn.FIRST
    fetch_allow: Hosts = ()
    log_format: LogFormat | None = None
    log_level: str = "info"

    @field_validator("public_url", "sandbox_url", "x_api_url", "x_authorize_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not _is_address(value):
            raise ValueError("must be an http or https address such as https://perch.example")
        return _plain(value)

    @field_validator("public_url", "sandbox_url", "x_api_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        if urlsplit(value).path:
            raise ValueError("must be an address without a path such as https://api.x.com")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(_DATABASES):
            raise ValueError("must begin with postgresql+asyncpg:// or sqlite+aiosqlite:///")
        if value and not _has_sound_port(value.get_secret_value()):
            raise ValueError("must have a number after the colon that follows the host")
        return value

    @field_validator("secret_key")
    @classmethod
    def _is_a_list_of_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            found = [_KEY.fullmatch(part.strip()) for part in value.get_secret_value().split(",")]
            kids = [match["kid"] for match in found if match]
            if None in found or len(set(kids)) < len(kids):
                raise ValueError("must be one long random key, or a list of kid:key with a kid for each")
            if any(len(match["key"]) < _LEAST_KEY for match in found if match):
                raise ValueError(f"must have keys of {_LEAST_KEY} random characters at least")
        return value

    @field_validator("x_callback_path")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if not _PATH.fullmatch(value):
            raise ValueError("must be a path such as /auth/x")
        return value

    @field_validator("log_level")
    @classmethod
    def _is_a_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            raise ValueError("must be one of debug, info, warning, error")
        return value.lower()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.pace < 1 and self.is_live:
            raise ValueError(
                "PERCH_PACE below 1 is for tests against the sandbox; a live X app is configured"
            )
        if self.x_client_secret and not self.x_client_id:
            raise ValueError("PERCH_X_CLIENT_SECRET is set but PERCH_X_CLIENT_ID is not")
        return self

    @property
    def is_live(self) -> bool:
        """Whether an X app of the operator is configured."""
        return self.x_client_id is not None

    @property
    def runs_sandbox(self) -> bool:
        return self.sandbox is SandboxMode.ON or (self.sandbox is SandboxMode.AUTO and not self.is_live)

    @property
    def monthly_cap_micros(self) -> int | None:
        """What may be spent at X in a month, in millionths of a US dollar; None for no cap."""
        return None if self.monthly_budget is None else int(self.monthly_budget * 1_000_000)

    @property
    def origin(self) -> str:
        """The one address that links, callbacks and cookies are built from; no trailing slash."""
        return self.public_url or f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def callback_url(self) -> str:
        return self.origin + self.x_callback_path

    @property
    def local_x_port(self) -> int:
        return self.sandbox_port or self.port + 1

    @property
    def local_x_url(self) -> str:
        """Where browsers and Perch reach the sandbox."""
        return self.sandbox_url or f"http://{_bracketed(self.host)}:{self.local_x_port}"

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the database."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'perch.db'}"

    @property
    def high_water(self) -> Path:
        """Where it is written, outside of the database, how far the database was."""
        return self.high_water_file or self.data_dir / "high-water"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file, which one process dispatches from: the owner of the data folder."""
        return self.database.startswith("sqlite")


def load(**overrides: Any) -> Settings:
    """Read the settings. Raises WrongSetting with the setting's name in the sentence."""
    try:
        return Settings(**{**_from_files(), **overrides})
    except ValidationError as error:
        raise WrongSetting(_sentence(error)) from error


def unknown() -> tuple[str, ...]:
    """Names that look like settings and are none: slips of the hand, and settings of another version."""
    fields = set(Settings.model_fields)
    known = {f"PERCH_{name.upper()}" for name in fields}
    known |= {f"PERCH_{name.upper()}_FILE" for name in fields.intersection(SECRETS)}
    return tuple(sorted(name for name in _said() if name.startswith("PERCH_") and name not in known))


def _said() -> dict[str, str]:
    """What ``.env`` and the environment say, by names in capitals; the environment has the last word."""
    try:
        written = DotEnvSettingsSource(Settings).env_vars
    except UnicodeDecodeError:
        raise WrongSetting(
            "The file .env is not a text in UTF-8, so no PERCH_ setting can be read."
        ) from None
    said = (*written.items(), *os.environ.items())
    return {name.upper(): value for name, value in said if value}


def _from_files() -> dict[str, Any]:
    found: dict[str, Any] = {}
    said = _said()
    for name in SECRETS:
        variable = f"PERCH_{name.upper()}_FILE"
        if path := said.get(variable):
            try:
                found[name] = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise WrongSetting(
                    f"{variable} names {path}, which cannot be read: {error.strerror}."
                ) from error
            except UnicodeDecodeError:
                raise WrongSetting(f"{variable} names {path}, which is not a text.") from None
            if not found[name]:
                raise WrongSetting(f"{variable} names {path}, which is empty.")
    return found


def _is_address(value: str) -> bool:
    if not _has_sound_port(value):
        return False
    parts = urlsplit(value)
    is_bare = not (parts.username or parts.query or parts.fragment or re.search(r"\s", value))
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and is_bare


def _has_sound_port(value: str) -> bool:
    try:
        return urlsplit(value).port != 0
    except ValueError:
        return False


def _plain(address: str) -> str:
    """As browsers write it in an Origin header: they compare letter by letter (RFC 6454 section 6.2)."""
    parts = urlsplit(address.rstrip("/"))
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts._replace(netloc=parts.netloc.lower().removesuffix(default)).geturl()


def _sentence(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = "_".join(str(part) for part in problem["loc"]).upper()
        said = problem["msg"].removeprefix("Value error, ")
        lines.append(f"PERCH_{where}: {said}." if where else f"{said}.")
    return " ".join(lines)


def _bracketed(host: str) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"[{shown}]" if ":" in shown else shown
