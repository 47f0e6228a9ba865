"""Every setting: from the environment, a file and ``.env``; and wrong values, each named in a sentence."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from perch.settings import (
    SECRETS,
    LogFormat,
    Plan,
    SandboxMode,
    Settings,
    SignIn,
    WrongSetting,
    load,
    unknown,
)

KEYS = "k2:a-new-key-of-at-least-thirty-two-characters,k1:an-old-key-of-at-least-thirty-two-characters"

GOOD: dict[str, tuple[str, Any]] = {
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("8080", 8080),
    "public_url": ("https://perch.example/", "https://perch.example"),
    "data_dir": ("/srv/perch", Path("/srv/perch")),
    "database_url": ("postgresql+asyncpg://perch@db/perch", "postgresql+asyncpg://perch@db/perch"),
    "high_water_file": ("/srv/high-water", Path("/srv/high-water")),
    "secret_key": (KEYS, KEYS),
    "x_client_id": ("an-id", "an-id"),
    "x_client_secret": ("a-secret", "a-secret"),
    "x_api_url": ("http://127.0.0.1:7000/", "http://127.0.0.1:7000"),
    "x_authorize_url": ("http://127.0.0.1:7000/i/oauth2/authorize", "http://127.0.0.1:7000/i/oauth2/authorize"),
    "x_callback_path": ("/auth/twitter", "/auth/twitter"),
    "x_look": ("false", False),
    "x_revoke_before_refresh": ("true", True),
    "monthly_budget": ("20", Decimal(20)),
    "x_plan": ("legacy-basic", Plan.LEGACY_BASIC),
    "sandbox": ("off", SandboxMode.OFF),
    "sandbox_port": ("7001", 7001),
    "sandbox_url": ("http://127.0.0.1:7001/", "http://127.0.0.1:7001"),
    "pace": ("0.5", 0.5),
    "sign_in": ("invited", SignIn.INVITED),
    "fetch_allow": ("media.lan, 10.0.0.0/8 ,", ("media.lan", "10.0.0.0/8")),
    "log_format": ("json", LogFormat.JSON),
    "log_level": ("DEBUG", "debug"),
}  # fmt: skip

BAD = [
    ("port", "0"), ("port", "65536"), ("port", "five"), ("port", "-1"),
    ("public_url", "perch.example"), ("public_url", "ftp://perch.example"), ("public_url", "https://"),
    ("public_url", "https://user@perch.example"), ("public_url", "https://perch.example?x=1"),
    ("public_url", "https://perch.example:99999"), ("public_url", "https://perch.example:port"),
    ("public_url", "https://[::1"), ("public_url", "https://perch.example/below"),
    ("database_url", "postgresql+asyncpg://u:p@db:port/x"), ("public_url", "https://perch .example"),
    ("database_url", "not an address"), ("database_url", "mysql://db/perch"),
    ("database_url", "postgresql://db/perch"), ("database_url", "sqlite:///perch.db"),
    ("secret_key", ","), ("secret_key", "k1:"), ("secret_key", "a.b:long-random-key"), ("secret_key", ":key"),
    ("secret_key", f"{KEYS},k1:another-long-key-of-at-least-thirty-two-characters"),
    ("secret_key", "password"), ("secret_key", "k1:thirty-one-characters-of-random"),
    ("x_api_url", "api.x.com"), ("x_api_url", "https://api.x.com/2"), ("x_authorize_url", "x.com/i"),
    ("x_callback_path", "auth/x"), ("x_callback_path", "//evil.example"),
    ("x_callback_path", "/{anything}"), ("x_callback_path", "/auth/x?a=b"), ("x_callback_path", "/"),
    ("x_plan", "free"), ("sandbox", "perhaps"), ("sandbox_port", "http"), ("sandbox_port", "70000"),
    ("sandbox_url", "127.0.0.1:5001"), ("sandbox_url", "http://127.0.0.1:5001/x"),
    ("pace", "0"), ("pace", "2"), ("pace", "fast"), ("pace", "nan"),
    ("sign_in", "everybody"), ("log_format", "xml"), ("log_level", "loud"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PERCH_")]:
        monkeypatch.delenv(name)


def plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def beside(name: str) -> dict[str, str]:
    """What else must be set for this one to make sense."""
    return {"PERCH_X_CLIENT_ID": "an-id"} if name == "x_client_secret" else {}


def test_the_table_holds_every_setting():
    assert set(GOOD) == set(Settings.model_fields)


@pytest.mark.parametrize("name", GOOD)
def test_each_setting_comes_from_the_environment(name, monkeypatch):
    written, read = GOOD[name]
    for variable, value in {**beside(name), f"PERCH_{name.upper()}": written}.items():
        monkeypatch.setenv(variable, value)
    assert plain(getattr(load(), name)) == read


@pytest.mark.parametrize("name", GOOD)
def test_each_setting_comes_from_the_file_dotenv(name, tmp_path):
    written, read = GOOD[name]
    lines = {**beside(name), f"PERCH_{name.upper()}": written}
    (tmp_path / ".env").write_text("".join(f"{variable}={value}\n" for variable, value in lines.items()))
    assert plain(getattr(load(), name)) == read


@pytest.mark.parametrize("name", [name for name in SECRETS if name in Settings.model_fields])
def test_each_secret_comes_from_a_file_of_its_own(name, tmp_path, monkeypatch):
    written, read = GOOD[name]
    (tmp_path / "secret").write_text(written + "\n")
    for variable, value in beside(name).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv(f"PERCH_{name.upper()}_FILE", str(tmp_path / "secret"))
    assert plain(getattr(load(), name)) == read


def test_a_secret_s_file_may_be_named_in_dotenv(tmp_path):
    (tmp_path / "secret").write_text("k7:a-key-of-thirty-two-characters-from-a-file\n")
    (tmp_path / ".env").write_text(f"PERCH_SECRET_KEY_FILE={tmp_path / 'secret'}\n")
    assert plain(load().secret_key) == "k7:a-key-of-thirty-two-characters-from-a-file"


def test_a_slip_in_a_setting_s_name_is_found_wherever_it_is_written(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PERCH_XCLIENT_ID=an-id\nPERCH_PORT=5050\nOTHER=1\n")
    monkeypatch.setenv("PERCH_BUDGET_A_MONTH", "20")
    monkeypatch.setenv("PERCH_SECRET_KEY_FILE", "/run/secrets/perch")
    assert unknown() == ("PERCH_BUDGET_A_MONTH", "PERCH_XCLIENT_ID")


def test_a_dotenv_that_is_no_text_is_named(tmp_path):
    (tmp_path / ".env").write_bytes(b"PERCH_PORT=\xff\xfe")
    with pytest.raises(WrongSetting, match=r"\.env"):
        load()


def test_the_environment_wins_over_dotenv(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PERCH_PORT=1111\n")
    monkeypatch.setenv("PERCH_PORT", "2222")
    assert load().port == 2222


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("PERCH_PORT", "")
    assert load().port == 5000


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"", b" \n"])
def test_a_secret_s_file_that_is_no_use_is_named(content, tmp_path, monkeypatch):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("PERCH_SECRET_KEY_FILE", str(path))
    with pytest.raises(WrongSetting, match="PERCH_SECRET_KEY_FILE"):
        load()


@pytest.mark.parametrize(("name", "value"), BAD)
def test_each_wrong_value_is_refused_by_the_setting_s_name(name, value, monkeypatch):
    monkeypatch.setenv(f"PERCH_{name.upper()}", value)
    with pytest.raises(WrongSetting) as refused:
        load()
    assert f"PERCH_{name.upper()}" in refused.value.sentence
    assert "\n" not in refused.value.sentence


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_s_value_is_in_a_sentence_or_a_repr(name, monkeypatch):
    monkeypatch.setenv(f"PERCH_{name.upper()}", "s3cr3t.canary:value")
    try:
        said = repr(load())
    except WrongSetting as refused:
        said = refused.sentence + repr(refused.__cause__)
    assert "canary" not in said


def test_a_secret_without_its_id_is_refused(monkeypatch):
    monkeypatch.setenv("PERCH_X_CLIENT_SECRET", "a-secret")
    with pytest.raises(WrongSetting, match="PERCH_X_CLIENT_ID"):
        load()


def test_a_quicker_pace_is_refused_beside_a_live_app(monkeypatch):
    monkeypatch.setenv("PERCH_X_CLIENT_ID", "an-id")
    monkeypatch.setenv("PERCH_PACE", "0.5")
    with pytest.raises(WrongSetting, match="PERCH_PACE"):
        load()


def test_several_wrong_settings_are_all_named_at_once(monkeypatch):
    monkeypatch.setenv("PERCH_PORT", "x")
    monkeypatch.setenv("PERCH_PACE", "x")
    with pytest.raises(WrongSetting) as refused:
        load()
    assert {"PERCH_PORT", "PERCH_PACE"} <= set(refused.value.sentence.replace(":", "").split())


@pytest.mark.parametrize(
    ("given", "origin", "local_x"),
    [
        ({}, "http://127.0.0.1:5000", "http://127.0.0.1:5001"),
        ({"port": 8000}, "http://127.0.0.1:8000", "http://127.0.0.1:8001"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:5000", "http://127.0.0.1:5001"),
        ({"host": "::1"}, "http://[::1]:5000", "http://[::1]:5001"),
        ({"host": "::"}, "http://127.0.0.1:5000", "http://127.0.0.1:5001"),
        ({"public_url": "https://perch.example"}, "https://perch.example", "http://127.0.0.1:5001"),
        ({"sandbox_port": 9}, "http://127.0.0.1:5000", "http://127.0.0.1:9"),
        ({"sandbox_url": "http://x.lan"}, "http://127.0.0.1:5000", "http://x.lan"),
    ],
)  # fmt: skip
def test_addresses_follow_from_host_and_port_unless_they_are_set(given, origin, local_x):
    settings = load(**given)
    assert (settings.origin, settings.local_x_url) == (origin, local_x)
    assert settings.callback_url == f"{origin}/auth/x"


@pytest.mark.parametrize(
    ("sandbox", "client_id", "runs"),
    [
        ("auto", None, True),
        ("auto", "id", False),
        ("on", "id", True),
        ("on", None, True),
        ("off", None, False),
    ],
)
def test_the_sandbox_runs_by_itself_when_no_x_app_is_set(sandbox, client_id, runs):
    settings = load(sandbox=sandbox, x_client_id=client_id)
    assert (settings.runs_sandbox, settings.is_live) == (runs, client_id is not None)


def test_settings_cannot_be_changed_once_read():
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("HTTPS://Perch.Example", "https://perch.example"),
        ("https://perch.example:443/", "https://perch.example"),
        ("http://perch.example:80", "http://perch.example"),
        ("http://perch.example:443", "http://perch.example:443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_the_public_address_reads_as_in_a_browser_s_origin_header(said: str, origin: str) -> None:
    assert load(public_url=said).origin == origin
