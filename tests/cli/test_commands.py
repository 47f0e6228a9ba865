"""The ``perch`` command as a shell meets it: help, sentences, JSON, and what it exits with."""

import asyncio
import io
import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from perch import folder

COMMANDS = (
    "up", "serve", "worker", "sandbox", "migrate", "post", "thread", "queue", "slots", "accounts",
    "login", "invite", "doctor", "release", "verify", "weigh",
)  # fmt: skip
WITH_JSON = (
    "thread",
    "queue",
    "slots",
    "post",
    "accounts",
    "login",
    "invite",
    "doctor",
    "release",
    "verify",
    "weigh",
)


def in_a_week():
    return (datetime.now(UTC) + timedelta(days=7)).isoformat(timespec="minutes")


def posts(instance):
    with sqlite3.connect(instance.data / "perch.db") as db:
        return db.execute("SELECT state FROM post ORDER BY id").fetchall()


def test_every_command_has_help_with_an_example(command):
    told = command("--help")
    assert told.returncode == 0
    for name in COMMANDS:
        assert name in told.stdout
        helped = command(name, "--help")
        assert helped.returncode == 0
        assert f"Example: perch {name}" in helped.stdout
        assert ("--json" in helped.stdout) == (name in WITH_JSON)


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["post"], ["weigh"], ["doctor", "--loud"], ["post", "a", "--media"], ["post", "a", "b"]],
)
def test_wrong_usage_exits_with_2_and_a_sentence(command, arguments):
    ended = command(*arguments)
    assert ended.returncode == 2
    assert ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [["post", "Hello"], ["accounts"], ["invite"], ["login"]])
def test_before_the_first_start_commands_say_what_to_do(command, arguments):
    ended = command(*arguments)
    assert ended.returncode == 1
    assert "perch up" in ended.stderr
    told = command(*arguments, "--json")
    assert (told.returncode, json.loads(told.stdout)["code"]) == (1, "old_database")


def test_without_an_account_commands_say_how_to_connect_one(command):
    assert command("migrate").returncode == 0
    ended = command("post", "Hello")
    assert (ended.returncode, "perch login" in ended.stderr) == (1, True)
    invited = command("invite")
    assert (invited.returncode, "owner" in invited.stderr) == (1, True)
    listed = command("accounts")
    assert (listed.returncode, "perch login" in listed.stdout) == (0, True)
    assert json.loads(command("accounts", "--json").stdout) == []


def test_a_wrong_setting_is_a_sentence_for_every_command(command):
    for name in ("accounts", "doctor", "migrate", "up"):
        ended = command(name, PERCH_PORT="five")
        assert (ended.returncode, "PERCH_PORT" in ended.stderr) == (1, True)
        assert "Traceback" not in ended.stderr
    told = command("accounts", "--json", PERCH_PORT="five")
    assert json.loads(told.stdout)["code"] == "wrong_setting"


@pytest.mark.parametrize(
    ("text", "code", "weight", "rules"),
    [
        ("Hello https://example.com", 0, 29, []),
        ("a" * 281, 1, 281, ["X006"]),
        ("$A $B", 1, 5, ["X001"]),
        ("\N{FAMILY}", 0, 2, []),
        ("", 1, 0, ["X009"]),
    ],
)
def test_weigh_counts_as_x_does(command, text, code, weight, rules):
    said = command("weigh", text)
    assert (said.returncode, said.stdout.splitlines()[0].split(",")[0]) == (code, f"{weight} of 280")
    told = command("weigh", "-", "--json", said=text + "\n")
    found = json.loads(told.stdout)
    assert (told.returncode, found["weight"], [one["rule"] for one in found["findings"]]) == (
        code,
        weight,
        rules,
    )


def test_migrate_says_the_version_and_may_be_repeated(command):
    for _ in range(2):
        ended = command("migrate")
        assert (ended.returncode, "at version" in ended.stdout) == (0, True)


def states(told):
    return {check["name"]: check["state"] for check in json.loads(told.stdout)}


def test_doctor_before_the_first_start_warns_and_finds_no_x(command):
    told = command("doctor", "--json")
    found = states(told)
    assert (told.returncode, found["database"], found["worker"], found["x"]) == (
        1,
        "warning",
        "warning",
        "broken",
    )
    people = command("doctor")
    assert "perch up" in people.stdout
    assert "Traceback" not in people.stderr


def test_doctor_finds_a_database_of_another_version(command, instance):
    command("migrate")
    with sqlite3.connect(instance.data / "perch.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    told = command("doctor", "--json")
    assert (told.returncode, states(told)["database"]) == (1, "broken")


@pytest.mark.parametrize(
    ("settings", "name", "state"),
    [
        ({"PERCH_PUBLIC_URL": "http://localhost:5000"}, "callback", "warning"),
        ({"PERCH_PUBLIC_URL": "http://perch.example", "PERCH_X_CLIENT_ID": "id"}, "callback", "broken"),
        ({"PERCH_PUBLIC_URL": "https://perch.example"}, "callback", "ok"),
        ({"PERCH_X_CLIENT_ID": "id", "PERCH_X_API_URL": "http://127.0.0.1:9"}, "x", "broken"),
        ({"PERCH_DATABASE_URL": "postgresql+asyncpg://perch@127.0.0.1:9/perch"}, "folder", "broken"),
        (
            {
                "PERCH_DATABASE_URL": "postgresql+asyncpg://perch@127.0.0.1:9/perch",
                "PERCH_SECRET_KEY": "k1:a-key-for-tests-that-opens-nothing-else",
            },
            "database",
            "broken",
        ),
        ({"PERCH_DATA_DIR": "/dev/null/data"}, "folder", "broken"),
    ],
)
def test_doctor_names_what_is_wrong(command, settings, name, state):
    told = command("doctor", "--json", **settings)
    assert states(told)[name] == state, told.stdout
    assert "Traceback" not in told.stderr


@pytest.mark.postgres
@pytest.mark.xdist_group("postgres")
def test_doctor_warns_of_a_server_that_a_power_cut_makes_forgetful(command, postgres_url):
    key = "k1:a-key-for-tests-that-opens-nothing-else"
    told = command("doctor", PERCH_DATABASE_URL=postgres_url, PERCH_SECRET_KEY=key)
    assert "! database  It runs with fsync off" in told.stdout, told.stdout


def test_doctor_says_that_a_file_is_no_database(command, instance):
    instance.data.mkdir()
    (instance.data / "perch.db").write_bytes(b"not a database at all" * 100)
    told = command("doctor", "--json")
    assert (told.returncode, states(told)["database"]) == (1, "broken")


def test_a_database_that_breaks_off_in_the_midst_is_a_sentence_and_claims_nothing_undone(command, instance):
    assert command("migrate").returncode == 0
    with sqlite3.connect(instance.data / "perch.db") as db:
        db.execute("ALTER TABLE workspace RENAME TO away")
    ended = command("queue")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert "look first at what was done" in ended.stderr


def test_a_damaged_database_is_a_sentence(command, instance):
    assert command("migrate").returncode == 0
    with sqlite3.connect(instance.data / "perch.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'workspace'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with (instance.data / "perch.db").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    ended = command("accounts")
    assert (ended.returncode, "Traceback" in ended.stderr, "damaged" in ended.stderr) == (1, False, True)


def test_no_port_is_a_wrong_port(command):
    assert command("sandbox", "--port", "99999").returncode == 2


def test_a_journey_through_every_command_beside_a_running_perch(command, instance, tmp_path):
    process = asyncio.run(instance.up())

    doctor = command("doctor", "--json")
    assert (doctor.returncode, states(doctor)["accounts"], states(doctor)["x"]) == (0, "warning", "ok")
    asyncio.run(instance.login())
    doctor = command("doctor", "--json")
    assert set(states(doctor).values()) == {"ok"}, doctor.stdout

    listed = command("accounts", "--json")
    [account] = json.loads(listed.stdout)
    assert (account["username"], account["health"], account["x"]) == ("sandbox_ada", "good", "sandbox")

    invited = json.loads(command("invite", "--role", "writer", "--json").stdout)
    assert invited["link"].startswith(f"{instance.url}/login/x?invitation=")
    assert command("invite", "--role", "king").returncode == 1

    dry = command("post", "See https://example.com", "--dry-run", "--json")
    assert (dry.returncode, json.loads(dry.stdout)["price_usd"]) == (0, "0.2")
    assert posts(instance) == []

    said = command("post", "Good morning")
    assert (said.returncode, "live as" in said.stdout, "Receipt:" in said.stdout) == (0, True, True)
    told = json.loads(command("post", "-", "--json", said="From a pipe\n").stdout)
    assert (told["state"], told["url"].split("/status/")[0]) == ("published", f"{instance.x_url}/sandbox_ada")

    again = command("post", "Good morning")
    assert (again.returncode, "duplicate content" in again.stdout) == (1, True)
    broken = json.loads(command("post", "$A $B", "--json").stdout)
    assert (broken["code"], broken["rule"]) == ("rule_broken", "X001")

    picture = tmp_path / "lake.png"
    Image.new("RGB", (8, 8), "teal").save(picture)
    with_media = command("post", "A lake", "--media", str(picture), "--alt", "A calm lake", "--json")
    assert json.loads(with_media.stdout)["state"] == "published", with_media.stdout
    assert command("post", "A lake", "--alt", "A lake without a picture").returncode == 1
    (tmp_path / "fake.png").write_bytes(io.BytesIO(b"<svg/>").read())
    fake = command("post", "No picture", "--media", str(tmp_path / "fake.png"))
    assert (fake.returncode, "Traceback" in fake.stderr) == (1, False)

    later = json.loads(command("post", "In a week", "--at", in_a_week(), "--json").stdout)
    assert (later["state"], later["url"]) == ("scheduled", None)
    for at in (
        "tomorrow",
        "2020-01-01T00:00Z",
        "next",
        "9999-12-31T23:59-23:59",
        "+99:99",
        "",
    ):
        refused = command("post", "When", "--at", at)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False), at

    assert command("post", "Who", "--account", "@nobody").returncode == 1
    asyncio.run(instance.login("sandbox_ben"))
    assert command("post", "Which of us").returncode == 1
    by_handle = json.loads(command("post", "Me", "--account", "@Sandbox_Ben", "--json").stdout)
    assert "/sandbox_ben/status/" in by_handle["url"]

    whole = json.loads(command("verify", "--json").stdout)
    assert (whole["posts"], whole["is_whole"], whole["breaks"]) == (len(posts(instance)), True, [])
    with sqlite3.connect(instance.data / "perch.db") as db:
        db.execute("DELETE FROM post_event WHERE seq = 2 AND post_id = (SELECT min(id) FROM post)")
    broken = command("verify")
    assert (broken.returncode, "line 2 is missing" in broken.stdout) == (1, True)
    assert command("verify", "--post", told["id"]).returncode == 0
    assert command("verify", "--post", "nobody").returncode == 1

    texts = [entry["text"] for entry in asyncio.run(instance.x("GET", "ledger"))["posts"]]
    assert texts == ["Good morning", "From a pipe", "A lake", "Me"]
    assert asyncio.run(instance.stop(process)) == 0


def test_a_login_that_is_pasted_wrong_or_not_at_all_connects_nothing(command, instance):
    asyncio.run(instance.up())
    for pasted in ("", f"{instance.url}/auth/x?state=a-made-up-state&code=abc", "\x00"):
        ended = command("login", "--json", said=pasted + "\n")
        assert ended.returncode == 1, pasted
        assert "Traceback" not in ended.stderr
        assert json.loads(ended.stdout)["code"]
    assert json.loads((command("accounts", "--json")).stdout) == []


def test_without_a_running_perch_post_sends_by_itself(command, instance):
    """The sandbox runs alone, as a live app's X does."""
    secret = "a-client-secret"
    x = subprocess.Popen(
        [sys.executable, "-m", "perch.sandbox", "--port", str(instance.x_port), "--client-secret", secret,
         "--callback", f"{instance.url}/auth/x"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    instance.running.append(x)
    assert x.stdout is not None
    x.stdout.readline()
    live = {
        "PERCH_X_CLIENT_ID": "perch-sandbox:ci", "PERCH_X_CLIENT_SECRET": secret,
        "PERCH_X_API_URL": instance.x_url, "PERCH_X_AUTHORIZE_URL": f"{instance.x_url}/i/oauth2/authorize",
    }  # fmt: skip
    assert command("migrate", **live).returncode == 0
    asyncio.run(instance.login("sandbox_ada", **live))
    told = command("post", "Alone", "--json", **live)
    assert (told.returncode, json.loads(told.stdout)["state"]) == (0, "published"), told.stdout
    ledger = asyncio.run(instance.x("GET", "ledger"))["posts"]
    assert [entry["text"] for entry in ledger] == ["Alone"]
    folder.lock(instance.data, "a test").release()  # the command gave the folder back
