"""A client and a good access token for an account: used while fresh, renewed once when not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

import structlog

from perch.accounts import queries, steps
from perch.accounts.errors import AppAbsent, AppBroken, ReconnectNeeded, XUnavailable
from perch.accounts.freshness import RENEW_BELOW, GiveUp, Hold, Renew, Use, Wait, judge
from perch.accounts.grants import Held, open_access
from perch.accounts.models import XAccount
from perch.accounts.refreshing import Refresher
from perch.db import Database
from perch.errors import PerchError
from perch.people.errors import NotHere
from perch.seal import SealBroken
from perch.x.client import XClient
from perch.x.errors import AppMisconfigured, XError
from perch.x.wire import Bearer

log = structlog.get_logger(__name__)
_LOOK_EVERY = 0.05  # seconds, while another task or process refreshes
_READ_AT_ONCE = 500
_RENEWED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Ready:
    """The way to X for one account: send operations through ``client`` with ``bearer``."""

    client: XClient
    bearer: Bearer = field(repr=False)
    account_public_id: str
    x_user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """Opens the way to X for every account.

    However many ask at once in however many processes, X sees one refresh of a grant at a time.
    """

    db: Database
    refresher: Refresher

    async def client_for(self, account_id: int) -> Ready:
        """A token good for a call, renewed first when it is about to expire.

        Raises ReconnectNeeded, AppBroken, AppAbsent, XUnavailable, NotHere.
        """
        return await self._ready(account_id, refused=None)

    async def refresh_after_401(self, account_id: int, refused: Bearer) -> Ready:
        """Another token than the one X refused: a sibling's, or a renewed one. Raises as ``client_for``.

        A token that was renewed a moment ago and is refused too is not renewed again: that is XUnavailable,
        and ReconnectNeeded only after an hour of it.
        """
        held = await self._read(account_id)
        if self._open(held) == refused:
            refusal = steps.NoteRefusal(held, self.refresher.clock.now())
            await self.refresher.committer.commit(steps.note_refusal, refusal)
        return await self._ready(account_id, refused=refused)

    async def at_hand(self, account_ids: Collection[int]) -> dict[int, Ready]:
        """Those of the accounts whose token needs no renewal, by one read; the others ask ``client_for``."""
        now = self.refresher.clock.now()
        found: dict[int, Ready] = {}
        async for held in self._read_all(list(account_ids)):
            if isinstance(judge(held.standing(refused=False), now), Use):
                try:
                    found[held.account_id] = self._opened(held, self._open(held))
                except (ReconnectNeeded, AppAbsent):
                    continue  # ``client_for`` says so to whoever asks for this one
        return found

    async def renew_ahead(
        self, account_ids: Sequence[int], is_stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """Renew what needs it, many at once, begun in this order. Returns how many were tried.

        A grant that cannot be renewed never stops the others; whoever needs it learns why.
        """
        now, turn = self.refresher.clock.now(), asyncio.Semaphore(_RENEWED_AT_ONCE)
        held = {one.account_id: one async for one in self._read_all(account_ids, now + RENEW_BELOW)}
        stale = [
            held[account_id]
            for account_id in dict.fromkeys(account_ids)
            if account_id in held and judge(held[account_id].standing(refused=False), now) == Renew()
        ]

        async def renew(one: Held) -> None:
            async with turn:
                if not is_stopping():
                    await self.refresher.refresh(one)

        for one, outcome in zip(
            stale, await asyncio.gather(*map(renew, stale), return_exceptions=True), strict=True
        ):
            if isinstance(outcome, Exception) and not isinstance(outcome, PerchError):
                # Only the error's kind is logged: a database's text may quote what was to be stored.
                log.warning("renewal_ahead_broke", account=one.account, error=type(outcome).__name__)
        return len(stale)

    async def _ready(self, account_id: int, refused: Bearer | None) -> Ready:
        failed: XError | None = None
        while True:
            held = await self._read(account_id)
            bearer = self._open(held)
            is_refused = bearer == refused
            match judge(held.standing(refused=is_refused), self.refresher.clock.now()):
                case Use():
                    return self._opened(held, bearer)
                case Renew():
                    failed = await self._renew(held, refused=is_refused)
                case Wait():
                    await self.refresher.clock.sleep(_LOOK_EVERY)
                case Hold(why=why):
                    raise _failure(failed, why)
                case GiveUp(why=why):
                    raise ReconnectNeeded(held.username, why) from failed
                case never:
                    assert_never(never)

    async def _read(self, account_id: int) -> Held:
        async with self.db.read() as session:
            for held in await queries.grants_held(session, [account_id]):
                return held
            account = await session.get(XAccount, account_id)
        if account is None:
            raise NotHere("There is no such account.")
        raise ReconnectNeeded(account.username, "it was disconnected")

    async def _read_all(
        self, account_ids: Sequence[int], expiring_by: datetime | None = None
    ) -> AsyncIterator[Held]:
        for start in range(0, len(account_ids), _READ_AT_ONCE):
            async with self.db.read() as session:
                some = account_ids[start : start + _READ_AT_ONCE]
                found = await queries.grants_held(session, some, expiring_by)
            for held in found:
                yield held

    def _opened(self, held: Held, bearer: Bearer) -> Ready:
        client = self.refresher.clients.for_app(held.app)
        return Ready(client, bearer, held.account, held.x_user_id, held.username)

    def _open(self, held: Held) -> Bearer:
        try:
            return open_access(self.refresher.sealer, held.grant, held.account, held.access_token_sealed)
        except SealBroken as error:
            raise _unopenable(held) from error

    async def _renew(self, held: Held, *, refused: bool) -> XError | None:
        try:
            return await self.refresher.refresh(held, refused=refused)
        except SealBroken as error:
            raise _unopenable(held) from error


def _unopenable(held: Held) -> ReconnectNeeded:
    return ReconnectNeeded(held.username, "its stored login cannot be opened")


def _failure(failed: XError | None, why: str) -> XError:
    match failed:
        case None:
            return XUnavailable(f"{why}.", fix="Try again in a minute.")
        case AppMisconfigured():
            return AppBroken.because(failed)
        case _:
            return XUnavailable.because(failed)
