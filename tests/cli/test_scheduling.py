"""Threads from a file, the queue, slots, and posts that come again, from a terminal."""

import asyncio
import json

import pytest

from perch.cli.threads import cards_in

WEEK = [f"Text {n}" for n in range(7)]


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("One\n---\nTwo", ("One", "Two")),
        ("One\n\nstill one\n---  \n\nTwo\n---\n", ("One\n\nstill one", "Two")),
        ("a --- b\n ---\n----", ("a --- b\n ---\n----",)),
        ("---\n\n---", ()),
        ("", ()),
    ],
)
def test_a_line_of_three_dashes_parts_two_cards(text, cards):
    assert cards_in(text) == cards


@pytest.mark.parametrize(
    "arguments", [["thread"], ["recurring", "add"], ["recurring"], ["recurring", "next"]]
)
def test_what_is_missing_exits_with_2(command, arguments):
    assert command(*arguments).returncode == 2


@pytest.mark.parametrize(
    "arguments", [["queue"], ["slots"], ["recurring", "list"], ["recurring", "add", "daily 09:00", "x"]]
)
def test_before_the_first_start_they_say_what_to_do(command, arguments):
    ended = command(*arguments)
    assert (ended.returncode, "perch up" in ended.stderr) == (1, True)


def test_a_file_that_is_none_or_holds_nothing_is_refused(command, tmp_path):
    assert command("migrate").returncode == 0
    (tmp_path / "empty.md").write_text("---\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    for name in ("empty.md", "picture.png", "nowhere.md"):
        ended = command("thread", str(tmp_path / name))
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)


def test_a_journey_through_scheduling_beside_a_running_perch(command, instance, tmp_path):
    process = asyncio.run(instance.up())
    asyncio.run(instance.login())

    def told(*arguments, said=""):
        ended = command(*arguments, "--json", said=said)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout)

    assert told("queue") == []
    assert "no slots" in command("slots").stdout
    assert command("post", "When", "--at", "next").returncode == 1
    set_ = told(
        "slots", "@sandbox_ada", "--set", "daily 09:00,17:30", "--zone", "Europe/Berlin", "--late", "ask"
    )
    assert (set_["slots"], set_["zone"], set_["missed_policy"]) == (
        "mon-sun 09:00,17:30",
        "Europe/Berlin",
        "ask",
    )
    assert command("slots", "--set", "sometimes").returncode == 1
    slotted = told("post", "In a slot", "--at", "next")
    assert slotted["state"] == "scheduled"

    file = tmp_path / "thread.md"
    file.write_text("First of two\n---\nSecond, with https://example.com\n")
    dry = told("thread", str(file), "--dry-run")
    assert [card["price"] for card in dry["cards"]] == ["$0.015", "$0.200"]
    people = command("thread", str(file), "--dry-run").stdout
    assert "12 of 280" in people
    broken = command("thread", "-", "--dry-run", "--json", said="Fine\n---\n$A $B\n")
    assert (broken.returncode, json.loads(broken.stdout)["findings"][0]["card"]) == (1, 2)
    assert told("thread", str(file))["state"] == "published"
    ledger = asyncio.run(instance.x("GET", "ledger"))["posts"]
    assert [entry["text"].split()[0] for entry in ledger] == ["First", "Second,"]
    assert ledger[1]["reply_to"] == ledger[0]["id"]
    assert told("thread", str(file), "--at", "tomorrow 9am")["state"] == "scheduled"

    made = told("recurring", "add", "daily 09:00", *WEEK, "--jitter", "5", "--most", "20")
    assert (made["state"], made["made"], len(made["next"])) == ("on", 2, 3)
    assert command("recurring", "add", "daily 09:00", "Always the same").returncode == 1
    assert command("recurring", "add", "daily 09:00").returncode == 1
    assert len(told("recurring", "next", made["id"], "--count", "4")) == 4
    assert [one["id"] for one in told("recurring", "list")] == [made["id"]]
    assert "0 9 * * *" in command("recurring", "list").stdout
    queue = told("queue")
    assert len(queue) == 4
    assert [one["due_at"] for one in queue] == sorted(one["due_at"] for one in queue)
    assert "In a slot" in command("queue").stdout
    assert told("recurring", "stop", made["id"])["state"] == "ended"
    assert command("recurring", "stop", "nothing").returncode == 1
    assert len(told("queue")) == 2
    assert asyncio.run(instance.stop(process)) == 0
