"""A virtual world: one clock for Perch and X, X called in process, workers that die and freeze on command.

Publisher, reconciler, recovery and committer are the real ones, on a real database. Only what lies between
them and the machine is played: the clock, the wire, the way to X and to its media.
"""

import asyncio
import itertools
import json
import secrets
import shutil
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select, union_all

from perch.accounts.models import XAccount, XApp
from perch.db import Database, new_public_id
from perch.jobs import Committer, Pace
from perch.media.models import Asset
from perch.people.models import Workspace
from perch.posts import changing, steps
from perch.posts.errors import TooLate
from perch.posts.missing import Missing
from perch.posts.models import Attempt, Post, PostState, Segment, SegmentMedia
from perch.posts.publishing import Line, Publisher
from perch.posts.reconciling import Reconciler
from perch.posts.recovering import Recovery
from perch.sandbox import tokens
from perch.sandbox.app import create_app
from perch.sandbox.config import DEFAULT_SCOPE, SandboxConfig, Settings
from perch.sandbox.models import Media, Person
from perch.x.errors import Unreachable
from perch.x.judging import no_answer
from perch.x.wire import Answer, Bearer, Reply

BEGINNING = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MAY_BE_OUT = ("unknown", "absent", "found", "needs_you", "ok")
OPEN = (PostState.SCHEDULED, PostState.PUBLISHING)
POINTS = (
    "before seek", "after seek", "before arm", "after arm", "before begin",
    "after begin", "at the socket", "after answer", "before record", "after record",
    "before look", "after look",
)  # fmt: skip
FREEZABLE = ("after seek", "after arm", "after begin", "at the socket")
UNAVAILABLE = {"title": "Service Unavailable", "type": "about:blank", "status": 503}
CREDITS = {"title": "CreditsDepleted", "type": "https://api.twitter.com/2/problems/credits", "detail": "No."}
BAD_MEDIA = {
    "errors": [{"parameters": {"media.media_ids": ["1"]}, "message": "Your media IDs are invalid."}],
    "title": "Invalid Request", "type": "https://api.twitter.com/2/problems/invalid-request",
}  # fmt: skip
BAD = {
    "title": "Invalid Request",
    "type": "https://api.twitter.com/2/problems/invalid-request",
    "detail": "No.",
}
# What X answers, or an answer's absence: before and after it has made the post.
REFUSALS: dict[str, tuple[int, Any]] = {
    "503": (503, UNAVAILABLE), "404": (404, {"title": "Not Found", "status": 404}), "401": (401, None),
    "402": (402, CREDITS), "429": (429, None), "400": (400, BAD), "bad media": (400, BAD_MEDIA),
}  # fmt: skip
AFTERWARDS: dict[str, tuple[int, bytes]] = {
    "made, then 503": (503, json.dumps(UNAVAILABLE).encode()), "made, then 500": (500, b""),
    "made, then HTML": (201, b"<!DOCTYPE html><title>X</title>"), "made, then nothing said": (201, b""),
}  # fmt: skip
# Those that lead to decisions of their own; the others differ from one of them only in how X spells it.
KINDS_OF_FAULT = (
    "none", "unreachable", "lost before", "lost after", "late", "400", "401", "402", "429", "bad media",
)  # fmt: skip
FAULTS = (*KINDS_OF_FAULT, "too slow", "cut", "503", "404", *AFTERWARDS)
LATEST = 180.0


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Crashed(BaseException):
    """The process is no more. No ``except Exception`` may catch it, as none survives kill -9."""


class VirtualTime:
    """Moved by whoever plays the world. The wall can be set; what has elapsed cannot."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.set_by = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def true(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.elapsed)

    def advance(self, seconds: float) -> None:
        self.elapsed += max(0.0, seconds)
        due = [future for at, future in self._sleepers if at <= self.elapsed]
        self._sleepers = [one for one in self._sleepers if one[0] > self.elapsed]
        for future in due:
            if not future.done():
                future.set_result(None)

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.elapsed + seconds, future))
        await future


@dataclass
class Doom:
    """What happens to a process, at the ``nth`` time it comes to a point of its work."""

    point: str = ""
    is_freeze: bool = False
    nth: int = 1
    meanwhile: Callable[[], Awaitable[None]] | None = None
    reached: Counter[str] = field(default_factory=Counter)
    is_dead: bool = False
    thawed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.thawed.set()

    def reach(self, point: str) -> None:
        if self.is_dead:
            raise Crashed
        self.reached[point] += 1
        if point == self.point and self.reached[point] == self.nth and not self.is_freeze:
            self.is_dead = True
            raise Crashed

    async def pass_by(self, point: str) -> None:
        """As ``reach``, where a process can also stand still while others work."""
        self.reach(point)
        if point == self.point and self.reached[point] == self.nth and self.meanwhile is not None:
            self.thawed.clear()
            await self.meanwhile()
            self.thawed.set()


class Mortal(Committer):
    """The real committer of a process that may die before a step or after it."""

    def __init__(self, db: Database, doom: Doom) -> None:
        super().__init__(db.write, last=(steps.seek,))
        self._doom = doom

    def hand_in(self, step: Any, row: Any) -> Any:
        self._doom.reach(f"before {step.__name__}")
        watched = asyncio.ensure_future(self._watched(step.__name__, super().hand_in(step, row)))
        watched.add_done_callback(_retrieve)
        return watched

    async def _watched(self, name: str, done: "asyncio.Future[Any]") -> Any:
        outcome = await done
        await self._doom.pass_by(f"after {name}")
        return outcome


def _retrieve(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()


@dataclass
class ProcessClock:
    """The clock as one process reads it."""

    time: VirtualTime
    doom: Doom

    def now(self) -> datetime:
        return self.time.true() + timedelta(seconds=self.time.set_by)

    def elapsed(self) -> float:
        return self.time.elapsed

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)
        await self.doom.thawed.wait()


@dataclass
class Wire:
    """X's client: the shape of the real one, no socket. It takes a moment, and faults are its alone."""

    world: "World"
    doom: Doom

    async def send(
        self, operation: Any, auth: Any = None, *, deadline: float = 30.0, before_write: Any = None
    ) -> Any:
        request = operation.request()
        is_send = (request.method, request.path) == ("POST", "/2/tweets")
        self.world.time.advance(0.1)
        fault = self.world.next_fault(is_send=is_send)
        if fault == "unreachable":
            raise Unreachable("X cannot be reached: a fault.")
        await self.doom.pass_by("at the socket" if is_send else "before look")
        if before_write is not None:
            before_write()
        answer = await self._answered(operation, request, auth, deadline, fault)
        await self.doom.pass_by("after answer" if is_send else "after look")
        return Reply(operation.parse(answer), answer.head)

    async def _answered(self, operation: Any, request: Any, auth: Any, deadline: float, fault: str) -> Answer:
        silence = no_answer("The call to X broke off: a fault.", repeatable=operation.repeatable)
        if fault in REFUSALS:
            status, body = REFUSALS[fault]
            return Answer(
                status, self.world.headers_of(fault), b"" if body is None else json.dumps(body).encode()
            )
        if fault == "lost before":
            raise silence
        if fault == "late":
            self.world.arrives_later(request, auth)
            raise silence
        answer = await self.world.call(request, auth)
        self.world.time.advance(deadline if fault == "too slow" else 0.2)
        if fault in ("lost after", "too slow"):
            raise silence
        if fault == "cut":
            raise no_answer("The answer was cut.", repeatable=operation.repeatable, head=answer.head)
        if fault in AFTERWARDS:
            status, raw = AFTERWARDS[fault]
            return Answer(status, {"content-type": "text/html"}, raw)
        return answer


@dataclass
class Process:
    """One worker: what ``perch worker`` is made of, as mortal as it is."""

    world: "World"
    doom: Doom
    clock: ProcessClock
    committer: Mortal
    publisher: Publisher
    recovery: Recovery
    missing: Missing

    async def work(self, account_id: int) -> None:
        """One sweep and one drain. Raises Crashed."""
        await self.recovery.sweep()
        await self.missing.sweep()
        self.doom.reach("between")
        await self.publisher.drain(str(account_id))


@dataclass
class Account:
    """A connected account of the world, in the database and on X."""

    id: int
    workspace_id: int
    person: Person
    auth: Bearer
    media: dict[int, tuple[str, float]] = field(default_factory=dict)


@dataclass
class World:
    """Perch's database, X, the time, and every worker that lives in it."""

    db: Database
    pace: Pace
    time: VirtualTime
    x: Any
    workspace_id: int
    accounts: dict[int, Account] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    look_faults: deque[str] = field(default_factory=deque)
    on_the_way: list[tuple[float, Any, Any]] = field(default_factory=list)
    lateness: Callable[[], float] = lambda: LATEST
    numbers: Any = field(default_factory=itertools.count)

    def next_fault(self, *, is_send: bool) -> str:
        script = self.faults if is_send else self.look_faults
        return script.popleft() if script else "none"

    def headers_of(self, fault: str) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if fault == "429":
            reset = int(self.time.true().timestamp()) + 60
            headers |= {"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0"}
            headers["x-rate-limit-reset"] = str(reset)
        return headers

    def arrives_later(self, request: Any, auth: Any) -> None:
        self.on_the_way.append((self.time.elapsed + self.lateness(), request, auth))

    async def deliver(self) -> None:
        """What X takes only now."""
        due = [one for one in self.on_the_way if one[0] <= self.time.elapsed]
        self.on_the_way = [one for one in self.on_the_way if one[0] > self.time.elapsed]
        for _, request, auth in due:
            await self.call(request, auth)

    async def call(self, request: Any, auth: Any) -> Answer:
        """One request to X's application, without a socket."""
        parts = urlsplit(request.target)
        headers = [(b"host", b"127.0.0.1"), (b"authorization", auth.authorization.encode())]
        if request.content_type:
            headers.append((b"content-type", request.content_type.encode()))
        scope = {
            "type": "http", "method": request.method, "path": parts.path, "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(), "headers": headers, "http_version": "1.1", "scheme": "http",
            "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip
        told: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.content or b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told.update(message)
            else:
                told["body"] += message.get("body", b"")

        await self.x(scope, receive, send)
        named = {name.decode(): value.decode() for name, value in told["headers"]}
        return Answer(told["status"], named, told["body"])

    def worker(self, doom: Doom | None = None) -> Process:
        """A new process, which knows nothing but the database."""
        doom = doom or Doom()
        clock = ProcessClock(self.time, doom)
        committer = Mortal(self.db, doom)
        roads = Roads(self, Wire(self, doom))
        looker = Reconciler(self.db, clock, self.pace, committer, roads)
        publisher = Publisher(
            db=self.db, clock=clock, pace=self.pace, committer=committer, lines=roads, uploads=roads,
            worker=f"worker {next(self.numbers)}", looker=looker,
        )  # fmt: skip
        recovery = Recovery(self.db, clock, self.pace, committer, publisher.is_draining)
        missing = Missing(self.db, clock, self.pace)
        return Process(self, doom, clock, committer, publisher, recovery, missing)

    async def connect(self) -> Account:
        """An account with an X app of its own, so that what befalls the app befalls nobody else."""
        number, world = next(self.numbers), self.x.world
        person = Person(world.new_id(), f"p{number}", f"P {number}", created_at=0)
        world.keep_person(person)
        app = next(iter(world.apps.values()))
        pair = tokens.mint(world, app, person, DEFAULT_SCOPE, 10**9)
        now = self.time.true()
        async with self.db.write() as session:
            x_app = XApp(
                kind="sandbox", api_url="http://127.0.0.1", authorize_url="http://127.0.0.1",
                client_id=f"client {number}", plan="pay-per-use", created_at=now,
            )  # fmt: skip
            session.add(x_app)
            await session.flush()
            row = XAccount(
                app_id=x_app.id, workspace_id=self.workspace_id, x_user_id=person.id,
                username=person.username, name=person.name, zone="UTC", created_at=now,
            )  # fmt: skip
            session.add(row)
            await session.flush()
            account = Account(row.id, self.workspace_id, person, Bearer(pair["access_token"]))
        self.accounts[account.id] = account
        return account

    async def write(self, account: Account, *texts: str, has_media: bool = False, due_in: float = 0.0) -> int:
        """An accepted post; the id of its row."""
        now = self.time.true()
        async with self.db.write() as session:
            post = Post(
                workspace_id=account.workspace_id, account_id=account.id, author_kind="person", author_id="a",
                author_name="A", state=PostState.SCHEDULED, due_at=now + timedelta(seconds=due_in),
                zone="UTC", content_hash="", price_micros=15_000, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(post)
            await session.flush()
            for position, text in enumerate(texts):
                card = Segment(
                    post_id=post.id, account_id=account.id, position=position, text=text, weight=len(text),
                    price_micros=15_000,
                )  # fmt: skip
                session.add(card)
                await session.flush()
                if has_media and position == 0:
                    await self._picture(session, account, card)
            return post.id

    async def _picture(self, session: Any, account: Account, card: Segment) -> None:
        asset = Asset(
            workspace_id=account.workspace_id, kind="image", media_type="image/png", sha256=new_public_id(),
            size=1, width=1, height=1, name="a.png", created_at=self.time.true(),
        )  # fmt: skip
        session.add(asset)
        await session.flush()
        session.add(SegmentMedia(segment_id=card.id, asset_id=asset.id, position=0, alt_text=""))

    async def cancel(self, post_id: int) -> bool:
        """Whether Perch said yes."""
        try:
            async with self.db.write() as session:
                post = await session.get_one(Post, post_id)
                await changing.cancel(session, ProcessClock(self.time, Doom()), post, "A")
        except TooLate:
            return False
        return True

    async def until_rest(self, account_id: int, worker: Process | None = None, rounds: int = 250) -> None:
        """Work, and let the time pass to whatever comes next, until nothing of the account is open."""
        for _ in range(rounds):
            await self.deliver()
            worker = worker if worker is not None and not worker.doom.is_dead else self.worker()
            try:
                async with asyncio.timeout(30):  # real seconds: a turn takes milliseconds, or never ends
                    await worker.work(account_id)
            except Crashed:
                continue
            if not await self._is_open(account_id) and not self.on_the_way:
                return
            await self._pass_on(account_id)
        raise AssertionError(f"no rest: {await self.told(account_id)}")

    async def _is_open(self, account_id: int) -> bool:
        async with self.db.read() as session:
            found = await session.scalar(
                select(Post.id).where(Post.account_id == account_id, Post.state.in_(OPEN)).limit(1)
            )
        return found is not None

    async def _pass_on(self, account_id: int) -> None:
        """To the next moment at which anything can happen to the account."""
        mine = select(Segment.id).where(Segment.account_id == account_id)
        moments = union_all(
            select(Attempt.look_at).where(Attempt.segment_id.in_(mine)),
            select(Post.try_at).where(Post.account_id == account_id),
            select(Post.due_at).where(Post.account_id == account_id),
            *(select(column).where(XAccount.id == account_id)
              for column in (XAccount.lane_until, XAccount.rests_until, XAccount.paused_until)),
            *(select(column).where(XAccount.id == account_id, XAccount.app_id == XApp.id)
              for column in (XApp.rests_until, XApp.paused_until)),
        )  # fmt: skip
        async with self.db.read() as session:
            found = [moment for moment in await session.scalars(moments) if moment is not None]
        now = self.time.true() + timedelta(seconds=self.time.set_by)
        waits = [(moment - now).total_seconds() for moment in found if moment > now]
        waits += [at - self.time.elapsed for at, _, _ in self.on_the_way]
        self.time.advance(min(waits, default=5.0) + 0.001)
        await asyncio.sleep(0)

    async def told(self, account_id: int) -> str:
        async with self.db.read() as session:
            posts = await session.scalars(select(Post).where(Post.account_id == account_id))
            account = await session.get_one(XAccount, account_id)
            app = await session.get_one(XApp, account.app_id)
            brakes = [(one.paused_reason, one.paused_until, one.rests_until) for one in (account, app)]
            stories = [
                (one.id, one.state, one.paused_reason, one.due_at, one.try_at, one.why) for one in posts
            ]
            return f"now {self.time.true()}: {brakes} {account.lane_until} {stories}"

    async def check(self, account: Account, cancelled: frozenset[int] = frozenset()) -> None:
        """Every invariant that concerns one account."""
        async with self.db.read() as session:
            posts = (await session.scalars(select(Post).where(Post.account_id == account.id))).all()
            cards = (
                await session.scalars(
                    select(Segment).where(Segment.account_id == account.id).order_by(Segment.position)
                )
            ).all()
            attempts = (
                await session.scalars(
                    select(Attempt).where(Attempt.segment_id.in_([card.id for card in cards]))
                )
            ).all()
        on_x = [post for post in self.x.world.posts.values() if post.author_id == account.person.id]
        for post in posts:
            assert post.state not in OPEN, await self.told(account.id)
            mine = [card for card in cards if card.post_id == post.id]
            parents: set[str | None] = {None}
            for card in mine:
                live = [one for one in on_x if one.text == card.text]
                name = f"{card.text!r} ({post.state}, {card.state}, {card.x_post_id})"
                assert len(live) <= 1, f"I1 {name} is there {len(live)} times"
                assert {one.reply_to for one in live} <= parents, f"I6 {name}"
                sent = [one for one in attempts if one.segment_id == card.id]
                assert len(sent) >= len(live), f"I4 {name}"
                assert len({one.payload for one in sent if one.state in MAY_BE_OUT}) <= 1, f"I4 {name}"
                if card.x_post_id is not None:
                    assert [one.id for one in live] == [card.x_post_id], f"I3 {name}"
                elif live:
                    assert card.state == "needs_you", f"{name} is on X, and Perch does not know"
                if post.state == PostState.PUBLISHED:
                    assert live, f"I3 {name}"
                if post.id in cancelled:
                    assert not live, f"I5 {name}"
                assert all(one.arrived_at >= _ms(post.due_at) - 1000 for one in live), f"I8 {name}"
                parents = {one.id for one in live}
        assert {one.text for one in on_x} <= {card.text for card in cards}


def _ms(at: datetime | None) -> int:
    return int(at.timestamp() * 1000) if at else 0


@dataclass
class Roads:
    """The ways to X and to its media, as the publisher asks for them."""

    world: World
    wire: Wire

    async def open(self, account_id: int) -> Line:
        return Line(self.wire, self.world.accounts[account_id].auth)  # type: ignore[arg-type]

    async def renew(self, account_id: int, _refused: Bearer) -> Line:
        return await self.open(account_id)

    async def ensure(self, _line: Line, account_id: int, card: Any) -> tuple[str, ...]:
        """A minute later X gives another id for the same file: only the bytes of the first may go again."""
        account, now = self.world.accounts[account_id], self.world.time.elapsed
        media_id, expires_at = account.media.get(card.segment.id, ("", now))
        if expires_at <= now:
            media_id = self._uploaded(account)
            account.media[card.segment.id] = media_id, now + 60
        return (media_id,)

    def _uploaded(self, account: Account) -> str:
        world = self.world.x.world
        media = Media(
            world.new_id(), account.person.id, "tweet_image", "image/png", 1, created_at=world.now(),
            expires_at=world.now() + 86_400_000, received=1, segments=(0,), finalized_at=1, ready_at=1,
        )  # fmt: skip
        world.keep_media(media)
        return media.id

    async def forget(self, account_id: int, card: Any) -> None:
        self.world.accounts[account_id].media.pop(card.segment.id, None)


Begin = Callable[..., Awaitable[World]]


def make_x(time: VirtualTime, seed: int = 0, **settings: Any) -> Any:
    """An X that refuses no text for being there already: that must not hide a second send."""
    changed = Settings().merged({"duplicate_window_s": 0, "rate_limits": False, **settings})
    return create_app(SandboxConfig(seed=seed, settings=changed, clock=lambda: time.true().timestamp()))


async def make_world(url: str, seed: int = 0, **settings: Any) -> World:
    time = VirtualTime()
    db = Database(url)
    async with db.write() as session:
        workspace = Workspace(name="W", created_at=time.true())
        session.add(workspace)
        await session.flush()
        return World(db, Pace(), time, make_x(time, seed, **settings), workspace.id)


@pytest.fixture
async def begin(tmp_path: Path, template_database: Path) -> AsyncIterator[Begin]:
    """Begins worlds on SQLite; keyword arguments are switches of X."""
    async with AsyncExitStack() as stack:

        async def make(seed: int = 0, **settings: Any) -> World:
            file = tmp_path / f"{seed}.db"
            shutil.copy(template_database, file)
            world = await make_world(f"sqlite+aiosqlite:///{file}", seed, **settings)
            stack.push_async_callback(world.db.close)
            return world

        yield make


@pytest.fixture
def doom() -> type[Doom]:
    return Doom


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("postgres", marks=(pytest.mark.postgres, pytest.mark.xdist_group("postgres"))),
    ],
)
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A migrated database that the tests of one module share: each has an account of its own in it."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("protocol") / "perch.db"
        shutil.copy(request.getfixturevalue("template_database"), file)
        return f"sqlite+aiosqlite:///{file}"
    cluster, template = (request.getfixturevalue(name) for name in ("cluster", "template_postgres"))
    return cluster.make(f"protocol_{secrets.token_hex(4)}", template)


@pytest.fixture(scope="module")
async def world(database_url: str, anyio_backend: str) -> AsyncIterator[World]:
    """One world for a whole module."""
    made = await make_world(database_url)
    yield made
    await made.db.close()
