"""``perch doctor``: everything that posting needs, looked at one by one, in plain words."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from perch import folder, logs, wiring
from perch.accounts.health import AccountView, Health
from perch.cli.beside import every_account
from perch.cli.output import say, say_json
from perch.db.migrating import DatabaseUnusable, head, version
from perch.db.probing import outlives_power
from perch.errors import PerchError
from perch.jobs import waking
from perch.notices.queries import everybodys
from perch.posts import queries
from perch.settings import Settings, unknown
from perch.wiring import Perch
from perch.x.errors import Unreachable, XError
from perch.x.users import Me

_LEAST_DISK = 500_000_000
_SKEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """One look: ``ok``, ``warning`` or ``broken``, what was seen, and what to do."""

    name: str
    state: str
    sentence: str
    fix: str | None = None


async def run(settings: Settings, *, as_json: bool) -> int:
    """0 when nothing is broken."""
    logs.configure(settings.model_copy(update={"log_level": "error"}))
    checks = [check async for check in _checks(settings)]
    if as_json:
        say_json(
            [{"name": one.name, "state": one.state, "detail": one.sentence, "fix": one.fix} for one in checks]
        )
    else:
        for one in checks:
            say(f"{_MARKS[one.state]} {one.name:<9} {one.sentence}")
            if one.fix:
                say(f"  {'':<9} {one.fix}")
    return 1 if any(one.state == "broken" for one in checks) else 0


_MARKS = {"ok": "●", "warning": "!", "broken": "✕"}


async def _checks(settings: Settings) -> AsyncIterator[Check]:
    yield _mode(settings)
    yield _callback(settings)
    for name in unknown():
        yield Check(
            "settings", "warning", f"{name} is no setting of this Perch.", "Correct it, or remove it."
        )
    try:
        async with wiring.assemble(settings) as perch:
            yield _disk(settings)
            database = await _database(perch)
            yield database
            yield await _worker(perch)
            if database.state == "ok":
                async for check in _durability(perch):
                    yield check
                async for check in _notices(perch):
                    yield check
                yield await _receipts(perch)
                async for check in _accounts(perch):
                    yield check
            async for check in _x(perch):
                yield check
    except PerchError as error:
        yield Check("folder", "broken", error.sentence, error.fix)


def _mode(settings: Settings) -> Check:
    if not settings.is_live:
        where = f"the sandbox at {settings.local_x_url}" if settings.runs_sandbox else "nothing"
        return Check("mode", "ok", f"No X app is configured: posts go to {where}, never to X.")
    kind = "confidential" if settings.x_client_secret else "public"
    beside = " The sandbox runs beside it." if settings.runs_sandbox else ""
    return Check("mode", "ok", f"Live, with a {kind} X app on {settings.x_api_url}.{beside}")


def _callback(settings: Settings) -> Check:
    url = urlsplit(settings.callback_url)
    said = f"X must know the callback address {settings.callback_url}, to the letter."
    if settings.is_live and url.scheme == "http" and url.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return Check("callback", "broken", said, "X wants https outside of 127.0.0.1: set PERCH_PUBLIC_URL.")
    if url.hostname == "localhost":
        return Check(
            "callback", "warning", said, "X discourages localhost: use 127.0.0.1 in PERCH_PUBLIC_URL."
        )
    return Check("callback", "ok", said)


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.data_dir).free
    said = f"{free / 1e9:.1f} GB free in {settings.data_dir}."
    if free < _LEAST_DISK:
        return Check("disk", "warning", said, "Make room: posts cannot be accepted on a full disk.")
    return Check("disk", "ok", said)


async def _worker(perch: Perch) -> Check:
    state = await wiring.readiness(perch)
    if state.database and not state.writable:
        return Check("database", "broken", "It takes no writes.", "Make room on its disk, or see its log.")
    poked = perch.db.is_sqlite and waking.poke(perch.settings.data_dir / folder.WAKE_FILE)
    if poked or (state.worker and not perch.db.is_sqlite):
        return Check("worker", "ok", f"One is at work. Perch is at {perch.settings.origin}.")
    return Check(
        "worker", "warning", "Perch does not run on this database.",
        "Start perch up, or perch worker beside perch serve; nothing is sent until then.",
    )  # fmt: skip


async def _notices(perch: Perch) -> AsyncIterator[Check]:
    """What needs somebody, and concerns the whole instance."""
    async with perch.db.read() as session:
        for notice in await everybodys(session):
            yield Check(notice.kind, "broken", notice.sentence, notice.fix)


async def _database(perch: Perch) -> Check:
    try:
        at, wanted = await version(perch.db), head()
    except DatabaseUnusable as error:
        return Check("database", "broken", error.sentence, error.fix)
    if at == wanted:
        return Check("database", "ok", f"At version {at}.")
    if at is None:
        return Check("database", "warning", "Empty.", "perch up makes its tables.")
    return Check("database", "broken", f"At version {at}, this Perch wants {wanted}.", "Run perch migrate.")


async def _durability(perch: Perch) -> AsyncIterator[Check]:
    if not await outlives_power(perch.db):
        yield Check(
            "database", "warning",
            "It runs with fsync off: after a power cut it may not know what was posted.",
            "Set fsync to on in postgresql.conf.",
        )  # fmt: skip


async def _receipts(perch: Perch) -> Check:
    async with perch.db.read() as session:
        count = await queries.how_many(session)
    kept = "1 post is" if count == 1 else f"{count:,} posts are"
    return Check("receipts", "ok", f"{kept} kept; perch verify proves that no line of a receipt is missing.")


async def _accounts(perch: Perch) -> AsyncIterator[Check]:
    accounts = [account for _, account in await every_account(perch) if account.disconnected_at is None]
    if not accounts:
        yield Check(
            "accounts", "warning", "None is connected.", "Sign in on the web page, or run perch login."
        )
    for account in accounts:
        yield _account(account)


def _account(account: AccountView) -> Check:
    name = f"@{account.username} ({account.app_kind})"
    if account.health is Health.RECONNECT:
        return Check("account", "broken", f"{name} needs a new sign-in.", "Reconnect it; its posts wait.")
    if account.health is Health.EXPIRING:
        return Check("account", "warning", f"{name} was not renewed for five months.", "Reconnect it soon.")
    if account.missing_scopes:
        lacks = ", ".join(account.missing_scopes)
        return Check(
            "account", "warning", f"{name} lacks {lacks}. {' '.join(account.warnings)}", "Reconnect it."
        )
    return Check("account", "ok", f"{name} has every scope: {', '.join(account.scope)}.")


async def _x(perch: Perch) -> AsyncIterator[Check]:
    """Whether X answers, and what time it is there."""
    settings = perch.settings
    urls = [settings.x_api_url] if settings.is_live else []
    for url in urls + ([settings.local_x_url] if settings.runs_sandbox else []):
        yield await _reach(perch, url)


async def _reach(perch: Perch, url: str) -> Check:
    try:
        answered = (await perch.clients.at(url).send(Me(), deadline=10)).head
    except Unreachable as error:
        return Check("x", "broken", f"{url}: {error.sentence}", error.fix)
    except XError as error:
        # Asked without a token, X says no: that it says anything is what is looked for.
        if error.head is None:
            return Check("x", "broken", f"{url}: {error.sentence}", error.fix)
        answered = error.head
    if answered.date and abs(datetime.now(UTC) - answered.date) > _SKEW:
        off = abs(datetime.now(UTC) - answered.date)
        return Check("clock", "broken", f"This clock is {off} away from X's.", "Set the clock, best by NTP.")
    return Check("x", "ok", f"{url} answers, and its clock agrees with this one.")
