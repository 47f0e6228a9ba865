"""A start that cannot work ends at once with the name of the setting that is in its way."""

import socket
from collections.abc import Iterator

import pytest

NO_SERVER = "postgresql+asyncpg://perch:c4n4ry@127.0.0.1:9/perch"


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield str(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PERCH_PORT", "http"),
        ("PERCH_HOST", "no such host.invalid"),
        ("PERCH_PUBLIC_URL", "perch.example"),
        ("PERCH_DATABASE_URL", "mysql://db/perch"),
        ("PERCH_SECRET_KEY", ","),
        ("PERCH_SECRET_KEY", "k1:too-short"),
        ("PERCH_SECRET_KEY_FILE", "/no/such/file"),
        ("PERCH_DATA_DIR", "/dev/null/data"),
        ("PERCH_SIGN_IN", "everybody"),
        ("PERCH_PACE", "3"),
        ("PERCH_LOG_LEVEL", "loud"),
        ("PERCH_LOG_FORMAT", "xml"),
        ("PERCH_FETCH_ALLOW", "10.0.0.0/99"),
        ("PERCH_X_API_URL", "https://api.x.com/2"),
        ("PERCH_X_PLAN", "free"),
        ("PERCH_SANDBOX", "perhaps"),
        ("PERCH_SANDBOX_PORT", "65536"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(command, name, value):
    ended = command("up", **{name: value})
    assert ended.returncode == 1
    assert name in ended.stderr


@pytest.mark.parametrize("name", ["PERCH_PORT", "PERCH_SANDBOX_PORT"])
def test_a_port_in_use_is_named_with_its_setting(command, taken_port, name):
    ended = command("up", **{name: taken_port})
    assert ended.returncode == 1
    assert taken_port in ended.stderr
    assert name in ended.stderr


def test_the_port_beside_the_last_one_is_no_port(command):
    ended = command("up", PERCH_PORT="65535", PERCH_SANDBOX_PORT="")
    assert (ended.returncode, "PERCH_SANDBOX_PORT" in ended.stderr) == (1, True)


def test_a_database_that_does_not_answer_is_named_without_its_password(command):
    ended = command(
        "up", PERCH_DATABASE_URL=NO_SERVER, PERCH_SECRET_KEY="k1:a-key-for-tests-that-opens-nothing-else"
    )
    assert ended.returncode == 1
    assert "PERCH_DATABASE_URL" in ended.stderr
    assert "c4n4ry" not in ended.stderr + ended.stdout


def test_postgres_without_a_key_is_refused_with_the_setting_s_name(command):
    ended = command("up", PERCH_DATABASE_URL=NO_SERVER)
    assert (ended.returncode, "PERCH_SECRET_KEY" in ended.stderr) == (1, True)


def test_another_key_than_the_database_s_is_refused_and_the_old_one_still_fits(command):
    name = "PERCH_SECRET_KEY"
    assert command("migrate", **{name: "k1:the-first-key-of-this-database-of-tests"}).returncode == 0
    for wrong in (
        "k1:another-key-than-the-first-of-these-tests",
        "k2:another-key-than-the-first-of-these-tests",
    ):
        ended = command("up", **{name: wrong})
        assert (ended.returncode, name in ended.stderr) == (1, True)
    for right in (
        "k1:the-first-key-of-this-database-of-tests",
        "k2:a-newer-key-of-this-database-of-tests,k1:the-first-key-of-this-database-of-tests",
    ):
        assert command("migrate", **{name: right}).returncode == 0
    assert command("up", **{name: "k2:a-newer-key-of-this-database-of-tests"}).returncode == 1


def test_without_a_migrated_database_they_name_the_version_they_want(command, monkeypatch):
    monkeypatch.setattr("perch.wiring._MIGRATING_SECONDS", 0)
    for name in ("serve", "worker"):
        ended = command(name)
        assert ended.returncode == 1
        assert "version none" in ended.stderr
        assert "perch migrate" in ended.stderr
