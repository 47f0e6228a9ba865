"""The composition root: builds what a process needs and hands it out as one value."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import MetaData

import perch.accounts.models
import perch.budget.models
import perch.media.models
import perch.notices.models
import perch.people.models
import perch.posts.models  # noqa: F401 - each import hangs a room's tables on the metadata
from perch import folder
from perch.accounts import apps, lanes, resealing
from perch.accounts import queries as accounts
from perch.accounts.apps import SandboxApp
from perch.accounts.clients import XClients
from perch.accounts.handlers import Upkeep
from perch.accounts.leftovers import Leftovers
from perch.accounts.refreshing import Refresher
from perch.accounts.resealing import Resealed
from perch.accounts.tokens import Keyring, Ready
from perch.clock import Clock, SystemClock
from perch.db import Base, Database
from perch.db.instance import fact, one_at_a_time, state_fact
from perch.db.migrating import DatabaseUnusable, head, migrate, require_known, version
from perch.db.probing import WriteProbe
from perch.errors import PerchError
from perch.fetch.allowing import allowances
from perch.jobs import Committer, Engine, Gatherer, Pace, on_postgres, waking
from perch.jobs.beating import Heart, is_restored, last_beat, last_mark
from perch.jobs.clocks import ClockGuard
from perch.jobs.hints import Hints, HintsElsewhere, InMemoryHints
from perch.jobs.on_postgres import PostgresHints
from perch.media import uploading
from perch.media.storing import MediaStore
from perch.notices.clocks import ClockNews
from perch.posts import handlers, queries, restoring, resuming, rezoning, steps
from perch.posts.admitting import Terms
from perch.posts.deleting import Deleter
from perch.posts.growing import Growing
from perch.posts.journal import Journal
from perch.posts.missing import Missing
from perch.posts.pruning import Pruning
from perch.posts.publishing import LANES, Line, Publisher, Stopping
from perch.posts.reconciling import Reconciler
from perch.posts.recovering import Recovery
from perch.seal import Sealer
from perch.settings import Settings, WrongSetting
from perch.x.client import open_session
from perch.x.hours import their_time
from perch.x.wire import Bearer

log = structlog.get_logger(__name__)
METADATA: MetaData = Base.metadata
_KEY_CHECK = "key_check"
_MIGRATING_SECONDS = 60


class WrongKey(PerchError):
    """The database's secrets were sealed with another key."""

    code = "wrong_key"


class KeyStillNeeded(WrongKey):
    """A key was dropped although something is sealed with it."""

    code = "key_still_needed"


class OldDatabase(PerchError):
    """The database has not been brought to this version yet."""

    code = "old_database"


@dataclass(frozen=True, slots=True)
class Lines:
    """The way from an account to X, for the publisher. ``at_hand`` reads the tokens of many at once."""

    keyring: Keyring
    at_hand: Gatherer[int, Ready]

    async def open(self, account_id: int) -> Line:
        ready = await self.at_hand.ask(account_id) or await self.keyring.client_for(account_id)
        return Line(ready.client, ready.bearer)

    async def renew(self, account_id: int, refused: Bearer) -> Line:
        ready = await self.keyring.refresh_after_401(account_id, refused)
        return Line(ready.client, ready.bearer)


@dataclass(frozen=True, slots=True)
class Uploads:
    """The way of a card's media to X, for the publisher. A long one is given up when Perch is to end."""

    db: Database
    clock: Clock
    store: MediaStore
    engine: Engine

    async def ensure(self, line: Line, account_id: int, card: queries.Card) -> tuple[str, ...]:
        return await self.engine.unless_stopping(self._ensure(line, account_id, card), Stopping)

    async def _ensure(self, line: Line, account_id: int, card: queries.Card) -> tuple[str, ...]:
        ids = []
        for placed, asset in card.media:
            ensured = await uploading.ensure(
                self.db.write,
                self.clock,
                line.client,
                line.auth,
                self.store,
                account_id,
                asset,
                placed.alt_text,
            )
            ids.append(ensured.x_media_id)
        return tuple(ids)

    async def forget(self, account_id: int, card: queries.Card) -> None:
        async with self.db.write() as session:
            await uploading.forget(session, account_id, [asset.id for _, asset in card.media])


@dataclass(frozen=True, slots=True)
class Perch:
    """Everything a face or a command needs. Built by ``assemble``, closed by leaving it."""

    settings: Settings
    clock: Clock
    pace: Pace
    db: Database
    sealer: Sealer
    clients: XClients
    store: MediaStore
    committer: Committer
    engine: Engine
    publisher: Publisher
    guard: ClockGuard
    heart: Heart
    probe: WriteProbe
    journal: Journal
    keyring: Keyring


@asynccontextmanager
async def assemble(
    settings: Settings, clock: Clock | None = None, *, dispatches: bool = True
) -> AsyncIterator[Perch]:
    """Open database, store and clients. Nothing runs yet, and nothing was written. Raises WrongAllowance.

    Where ``dispatches`` is False, what becomes due is told to the process that does.
    """
    clock = clock or SystemClock()
    folder.prepare(settings.data_dir)
    allowances(settings.fetch_allow)  # a wrong entry stops the start, not somebody's first picture
    pace = Pace().scaled(settings.pace)
    db = Database(settings.database)
    sealer = Sealer(_root_key(settings))
    clients = XClients(open_session(LANES), deadline=pace.http, kinds=apps.kinds(settings))
    store = MediaStore(settings.data_dir / "media")
    committer = Committer(db.write_briefly, last=(steps.seek,))
    guard = ClockGuard(clock, pace.clock_jump, partial(_their_time, settings, clients))
    engine = Engine(
        clock, pace.sweep, pace.hint_ahead, _hints(settings, db, dispatches=dispatches), guard.may_dispatch
    )
    heart = Heart(db, clock, settings.high_water, pace.beat)
    keyring = Keyring(db, Refresher(clock, sealer, clients, committer, settings.x_revoke_before_refresh))
    lines = Lines(keyring, Gatherer(keyring.at_hand))
    journal = Journal(settings.data_dir, committer)
    publisher = Publisher(
        db=db, clock=clock, pace=pace, committer=committer,
        lines=lines, uploads=Uploads(db, clock, store, engine),
        worker=_name(),
        terms=Terms(timedelta(seconds=pace.probe), settings.monthly_cap_micros),
        is_stopping=lambda: engine.is_stopping,
        may_dispatch=guard.may_dispatch,
        journal=journal,
        looker=Reconciler(
            db, clock, pace, committer, lines, settings.x_look, trusts_clock=guard.is_right
        ),
    )  # fmt: skip
    recovery = Recovery(db, clock, pace, committer, publisher.is_draining)
    deleter = Deleter(db, clock, pace, lines, engine, f"{publisher.worker}/deleting", settings.x_plan)
    missing = Missing(db, clock, pace, guard.may_dispatch)
    growing = Growing(db, clock, engine, guard.may_dispatch)
    sweep = handlers.Sweep(db, clock, engine, pace)
    handlers.register(engine, publisher, deleter, recovery, missing, growing, sweep)
    engine.each_tick(ClockNews(db, clock, guard, socket.gethostname()).tick)
    engine.each_tick(journal.sweep)
    engine.each_tick(Leftovers(db, publisher.worker, publisher.is_draining).sweep)
    engine.each_sweep(heart.sweep)
    engine.each_sweep(Pruning(db, clock).sweep)
    upkeep = Upkeep(keyring, queries.accounts_needed, pace.upkeep, lambda: engine.is_stopping)
    engine.each_sweep(upkeep.sweep)
    try:
        yield Perch(
            settings, clock, pace, db, sealer, clients, store, committer, engine, publisher, guard, heart,
            WriteProbe(db, clock), journal, keyring,
        )  # fmt: skip
    finally:
        await committer.settle()
        journal.close()
        await clients.close()
        await db.close()


def _name() -> str:
    """Of this process and no other: machines may share a name, and containers a process id."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


async def _their_time(settings: Settings, clients: XClients) -> datetime | None:
    """X's clock: the sandbox, on this machine, is as wrong as we are and asked only when there is no X."""
    if settings.is_live:
        return await their_time(clients.at(settings.x_api_url), clients.deadline)
    if settings.runs_sandbox:
        return await their_time(clients.at(settings.local_x_url), clients.deadline)
    return None


def _hints(settings: Settings, db: Database, *, dispatches: bool) -> Hints:
    if not db.is_sqlite:
        return PostgresHints(db.url)
    if dispatches:
        return InMemoryHints()
    return HintsElsewhere(partial(waking.poke, settings.data_dir / folder.WAKE_FILE))


async def bring_up_to_date(perch: Perch) -> None:
    """Apply migrations and check the key. Raises NewerDatabase and WrongKey."""
    await migrate(perch.db, METADATA, also=None if perch.db.is_sqlite else on_postgres.install)
    await _check_key(perch)
    await _check_pace(perch)
    await _follow_zone_rules(perch)


async def await_current(perch: Perch) -> None:
    """Wait for a server that starts and for whoever migrates, then check the key.

    Raises DatabaseUnusable, OldDatabase, NewerDatabase and WrongKey.
    """
    for _ in range(_MIGRATING_SECONDS):
        if await _is_current(perch):
            break
        await asyncio.sleep(1)
    await require_current(perch)
    await _check_key(perch)
    await _check_pace(perch)
    await _follow_zone_rules(perch)


async def _is_current(perch: Perch) -> bool:
    try:
        if await version(perch.db) == head():
            return True
        await require_known(perch.db)
    except DatabaseUnusable as error:
        if perch.db.is_sqlite:
            raise  # a file does not become a database by waiting
        log.warning("database_awaited", cause=error.sentence)
    return False


async def _follow_zone_rules(perch: Perch) -> None:
    async with perch.db.write() as session:
        if moved := await rezoning.follow_rules(session, perch.clock):
            log.info("due_times_moved", posts=moved)


async def _check_key(perch: Perch) -> None:
    async with perch.db.write() as session:
        known = await fact(session, _KEY_CHECK)
        if known is None:
            await state_fact(session, _KEY_CHECK, perch.sealer.check_value())
        elif not perch.sealer.recognises(known):
            raise WrongKey(
                "PERCH_SECRET_KEY is not the key that sealed this database.",
                fix="Put the old key back; if you never set one, it is in the data folder as secret.key.",
            )
        if lost := await resealing.foreign(session, perch.sealer.kids):
            raise KeyStillNeeded(
                f"PERCH_SECRET_KEY lacks a key that {lost} secrets of this database are sealed with.",
                fix="Put that key back behind the new one, and run perch secrets rotate.",
            )


async def rotate(perch: Perch) -> list[Resealed]:
    """Seal everything with the first key. Raises WrongKey and KeyStillNeeded.

    Only when nothing needs the other keys is the database known by the first one alone.
    """
    await _check_key(perch)
    columns = await resealing.reseal(perch.db.write, perch.sealer)
    async with perch.db.write() as session:
        if not await resealing.foreign(session, [perch.sealer.kid]):
            await state_fact(session, _KEY_CHECK, perch.sealer.check_value())
    return columns


async def require_current(perch: Perch) -> None:
    """For commands that run beside Perch. Raises OldDatabase when ``perch up`` has not migrated yet."""
    if (found := await version(perch.db)) != head():
        raise OldDatabase(
            f"The database is at version {found or 'none'}, and this Perch wants {head()}.",
            fix="Run perch up or perch migrate first.",
        )


async def prepare_apps(perch: Perch) -> None:
    """The rows of the configured X apps; posts that waited for one of them go on."""
    async with perch.db.write() as session:
        await one_at_a_time(session)
        await apps.ensure_apps(session, perch.clock, perch.sealer, perch.settings, sandbox_app(perch))
        await resuming.resume_apps(session, perch.clock, apps.kinds(perch.settings))


async def take_over(perch: Perch) -> None:
    """Begin to dispatch. The only process on a SQLite folder knows that nobody else sends or refreshes."""
    async with perch.db.write() as session:
        await one_at_a_time(session)
        known, mark = await last_beat(session), last_mark(perch.settings.high_water)
        if is_restored(known, mark, must_have_mark=perch.db.is_sqlite):
            held = await restoring.hold_back(session, perch.clock.now())
            log.error("database_restored", known=known and known.number, mark=mark and mark.number, held=held)
        if perch.db.is_sqlite:
            await lanes.void_lanes(session)
            await accounts.abandon_refreshes(session)
    await _first_beat(perch)
    perch.journal.open()


async def _first_beat(perch: Perch) -> None:
    try:
        await perch.heart.beat()
    except OSError as error:
        raise folder.FolderUnusable(
            f"{perch.settings.high_water} cannot be written: {error.strerror}.",
            fix="Mend that, or let PERCH_HIGH_WATER_FILE name another file.",
        ) from error


def sandbox_app(perch: Perch) -> SandboxApp | None:
    """The app that Perch and its sandbox agree on; the secret follows from the root key."""
    if not perch.settings.runs_sandbox:
        return None
    url = perch.settings.local_x_url
    return SandboxApp(
        api_url=url,
        authorize_url=f"{url}/i/oauth2/authorize",
        client_secret=sandbox_secret(perch.sealer),
    )


def sandbox_secret(sealer: Sealer) -> str:
    """The client secret of the sandbox's app; it follows from the root key, so nobody has to hand it on."""
    return sealer.digest("sandbox", "client_secret")


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether Perch does its work: the database answers and takes writes, a worker lives, the clock runs."""

    database: bool
    writable: bool
    worker: bool
    clock: bool
    oldest_overdue_seconds: float

    @property
    def is_ready(self) -> bool:
        return self.database and self.writable and self.worker and self.clock


async def readiness(perch: Perch) -> Readiness:
    """Looks at database, worker and clock; never raises."""
    now, clock = perch.clock.now(), perch.guard.held_since is None
    try:
        async with perch.db.read() as session:
            oldest = await queries.oldest_overdue(session, now)
            beats = perch.heart.lives(await last_beat(session))
    except Exception:  # noqa: BLE001 - whatever it is, the database does not answer
        return Readiness(False, False, False, clock, 0.0)
    overdue = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    return Readiness(True, await perch.probe.is_writable(), beats, clock, overdue)


async def _check_pace(perch: Perch) -> None:
    """A pace for tests would hurry X itself. Raises WrongSetting."""
    if perch.settings.pace == 1:
        return
    async with perch.db.read() as session:
        if await accounts.has_live_accounts(session):
            raise WrongSetting(
                "PERCH_PACE is below 1, which is for tests, and accounts of X itself are connected here.",
                fix="Take PERCH_PACE away, or use another PERCH_DATA_DIR for tests.",
            )


def root_key(settings: Settings) -> str | None:
    """The key there is already, if there is one."""
    if settings.secret_key:
        return settings.secret_key.get_secret_value()
    return folder.secret_key(settings.data_dir) if (settings.data_dir / folder.KEY_FILE).exists() else None


def _root_key(settings: Settings) -> str:
    if settings.secret_key:
        return settings.secret_key.get_secret_value()
    if not settings.is_sqlite:
        raise WrongKey(
            "PERCH_SECRET_KEY is not set.",
            fix="Set one long random PERCH_SECRET_KEY, the same on every machine.",
        )
    return folder.secret_key(settings.data_dir)
