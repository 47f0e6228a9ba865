"""Seeded protocol bugs: each is put into a copy of Perch, and the tests must notice.

A suite that lets one of them pass proves nothing by being green. A mutant whose text is not found any more is
an error, not a catch: whoever rewrites a line that is mutated here finds it a new bug.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAILPOINTS = ("tests/protocol/test_failpoints.py", "-k", "sqlite and thread and (none or lost or late)")
MEDIA = ("tests/protocol/test_failpoints.py", "-k", "sqlite and media and lost")
RACES = (
    "tests/posts/test_steps.py",
    "tests/posts/test_races.py",
    "tests/posts/test_changing.py",
    "tests/posts/test_publishing.py",
)
LOOKS = ("tests/posts/test_looking.py", "tests/posts/test_retrying.py", "tests/posts/test_reconciling.py")
X = ("tests/x/test_judging.py", "tests/x/test_client.py")
LANES = ("tests/accounts/test_lanes.py", "tests/protocol/test_lanes.py")
BUDGET = ("tests/posts/test_affording.py",)
TOKENS = ("tests/accounts/test_tokens.py",)
PATIENCE = 900


class NotFound(Exception):
    """The source does not read as the mutant expects, or reads so twice."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in one file of ``src/perch``."""

    file: str
    old: str
    new: str

    def apply(self, source: Path) -> None:
        """Raises NotFound."""
        path = source / "perch" / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise NotFound(f"{self.file} has {text.count(self.old)} times: {self.old.strip()!r}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug that somebody could write on a bad day. ``tests`` are those that have to notice it."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = FAILPOINTS


def bug(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, (Edit(file, old, new),), tests or FAILPOINTS)


PUBLISHING, STEPS = "posts/publishing.py", "posts/steps.py"
LOOKING, RECONCILING, RETRYING = "posts/looking.py", "posts/reconciling.py", "posts/retrying.py"
SEND_BARE = (
    "reply = await line.client.send(x_posts.CreatePost.from_body(content.payload), line.auth,"
    " deadline=self.pace.http)"
)
MUTANTS = (
    Mutant(
        "arm is skipped",
        (
            Edit(PUBLISHING, "        attempt_id = await self.committer.commit(steps.arm, arming)\n",
                 "        attempt_id = 0\n"),
            Edit(PUBLISHING, "        if not await self.committer.commit(steps.begin, beginning):\n",
                 "        if beginning is None:\n"),
        ),
    ),
    bug("arm comes after the send", PUBLISHING,
        "                armed = await self._arm(held, card, content)\n"
        "                reply = await self._send(held, armed, line)\n",
        f"                {SEND_BARE}\n                armed = await self._arm(held, card, content)\n"),
    bug("the send begins without asking for the fence", STEPS,
        "            Attempt.state == AttemptState.ARMED,\n            lane,\n",
        "            Attempt.state == AttemptState.ARMED,\n", *RACES),
    bug("arm does not ask for the lane", STEPS,
        "(segment.version, segment.fence) == (\n"
        "        arming.held.version,\n        arming.held.fence,\n    )",
        "segment.version == arming.held.version", *RACES),
    bug("an answer without verdict is simply tried again", RETRYING,
        "            return LookFirst(first_look(past.sent_at or now, now, pace))\n",
        "            return RetryAt(now + backoff(tries, pace))\n"),
    bug("a 404 or 408 counts as refused", "x/judging.py",
        "        case 404 if repeatable and problem.speaker is Speaker.X:\n",
        "        case 404 | 408:\n", *X),
    bug("no answer in time counts as not sent", "x/client.py", "    if not written:\n",
        "    if not written or failure.begun is None:\n", *X),
    bug("a lane is taken without a new fence", "accounts/queries.py",
        'lane_until=bindparam("until"), fence=XAccount.fence + 1)', 'lane_until=bindparam("until"))', *LANES),
    bug("a lane that was lost is renewed", "accounts/queries.py",
        "_RENEW = update(_LANES).where(_HELD, ",
        "_RENEW = update(_LANES).where(_LANES.c.id == bindparam(\"_id\"), bindparam(\"_fence\") > 0, ",
        *LANES),
    bug("a look that failed counts as absence", RECONCILING,
        "            await self._record([self._failed(one, error) for one in questions])\n",
        "            await self._settle(account_id, questions, Read(self.clock.now(), (), True))\n", *LOOKS),
    bug("one look is enough for absence", LOOKING,
        "        return LookAgain(looked_at + apart, 1, looked_at)\n", "        return Absent()\n", *LOOKS),
    bug("absence counts before X could have shown it", LOOKING, "    if looked_at < settled:\n",
        "    if looked_at < sent_at:\n", *LOOKS),
    bug("the second send has new bytes", PUBLISHING,
        "        if card.attempts and (repeated := await self._repeated(card)) is not None:\n"
        "            return repeated\n", "", *MEDIA),
    bug("every card replies to the first one", "posts/lineup.py", "            parent = card.x_post_id\n",
        "            parent = parent or card.x_post_id\n"),
    Mutant(
        "a card goes out while the one before is unknown",
        (
            Edit("posts/queries.py", "        ~_is_being_tried(),\n", ""),
            Edit("posts/lineup.py", "has_begun or card.state == SegmentState.WAITING\n",
                 "has_begun or (card.state == SegmentState.WAITING and not card.attempts)\n"),
            Edit(PUBLISHING, "            raise _NoParent\n", "            pass\n"),
            Edit(STEPS, "            ~is_early,\n", ""),
        ),
    ),
    bug("recovery takes a send for one that never began", "posts/recovering.py",
        "        if attempt.state == AttemptState.ARMED:\n            recording = outcomes.never_begun(",
        "        if attempt.state in (AttemptState.ARMED, AttemptState.SENDING):\n"
        "            recording = outcomes.not_sent("),
    bug("cancelling wins after the bytes are armed", "posts/changing.py",
        "            ~queries.is_under_way(),\n", "", *RACES),
    bug("X's refusal of a double after an unknown send ends the post", RETRYING,
        "        case x.ForbiddenReason.DUPLICATE if past.after_unknown:\n            return Found()\n", "",
        *LOOKS),
    bug("X's refusal of a double always counts as success", RETRYING,
        "        case x.ForbiddenReason.DUPLICATE if past.after_unknown:\n",
        "        case x.ForbiddenReason.DUPLICATE:\n", *LOOKS),
    Mutant(
        "posts go out before they are due",
        (
            Edit(STEPS, "            Post.due_at <= queries.NOW,\n", ""),
            Edit("posts/queries.py",
                 "        Post.due_at <= now,\n        or_(Post.try_at.is_(None), Post.try_at <= now),\n",
                 "        or_(Post.try_at.is_(None), Post.try_at <= now),\n"),
        ),
        RACES,
    ),
    bug("the month's budget is ignored", "posts/affording.py", "    if cap_micros is None or not ids:\n",
        "    if cap_micros is None or ids:\n", *BUDGET),
    bug("the deadline is not looked at before the socket", PUBLISHING,
        "            if self.clock.elapsed() > armed.sent_by:\n                raise _TooOld\n",
        "            return\n", *RACES),
    bug("a settled attempt is settled again", STEPS,
        "        return state in _UNDECIDED and recording.attempt_was in (None, state)\n",
        "        return state is not None\n", *RACES),
    bug("a refresh is begun without being claimed", "accounts/refreshing.py",
        "        if owner is None:\n            return None\n", "        owner = owner or \"\"\n", *TOKENS),
    bug("a new pair is stored over a newer one", "accounts/steps.py",
        "    standing = await _as_read(session, [one.held for one in storings])\n",
        "    standing = await _lock(session, Grant.public_id.in_([one.held.grant for one in storings]))\n",
        *TOKENS),
    bug("a refresh without an answer ends the grant", "accounts/refreshing.py",
        "        case Unconfirmed():\n            return RefreshState.UNKNOWN, hold_until\n",
        "        case Unconfirmed():\n            return RefreshState.DEAD, hold_until\n", *TOKENS),
)  # fmt: skip


def run(names: Sequence[str] = ()) -> int:
    """Try each mutant, or those whose name holds one of ``names``; 0 when every one was caught."""
    chosen = [one for one in MUTANTS if not names or any(name in one.name for name in names)]
    begun, caught, survived, errors = time.monotonic(), 0, list[str](), list[str]()
    healthy: dict[tuple[str, ...], bool] = {}
    for mutant in chosen:
        if mutant.tests not in healthy:
            healthy[mutant.tests] = _tried(Mutant("none", (), mutant.tests)) == "survived"
        end = _tried(mutant) if healthy[mutant.tests] else "not green without a bug"
        print(f"{end:9} {mutant.name}", file=sys.stderr, flush=True)
        caught += end == "caught"
        survived += [mutant.name] if end == "survived" else []
        errors += [mutant.name] if end not in ("caught", "survived") else []
    report = {
        "mutants": len(chosen), "caught": caught, "survived": survived, "errors": errors,
        "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip
    print(json.dumps(report))
    return 0 if caught == len(chosen) else 1


def _tried(mutant: Mutant) -> str:
    """``caught``, ``survived``, or what kept it from being tried."""
    with tempfile.TemporaryDirectory(prefix="perch-mutant-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        try:
            for edit in mutant.edits:
                edit.apply(source)
        except NotFound as error:
            print(error, file=sys.stderr)
            return "not found"
        return _verdict(source, mutant.tests)


def _verdict(source: Path, tests: Sequence[str]) -> str:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not postgres", *tests]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, timeout=PATIENCE, check=False, text=True
        )
    except subprocess.TimeoutExpired:
        return "no end in time"
    print(*done.stdout.splitlines()[-3:], sep="\n", file=sys.stderr)
    # 1: a test failed. Anything else but green means that the tests did not run.
    return {0: "survived", 1: "caught"}.get(done.returncode, f"pytest said {done.returncode}")
