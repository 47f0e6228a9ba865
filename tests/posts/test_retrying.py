"""What follows from each answer of X: one table."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.accounts.errors import AppBroken, ReconnectNeeded, XUnavailable
from perch.jobs import Pace
from perch.posts.retrying import (
    AskPerson,
    Found,
    GiveUp,
    LookFirst,
    Past,
    PauseReason,
    PauseUntilMended,
    RefreshFirst,
    RetryAt,
    UploadAgain,
    backoff,
    decide,
)
from perch.x import errors as x
from perch.x.errors import ForbiddenReason, RejectedReason, SpendBlock, XError
from perch.x.limits import Scope

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PACE = Pace()


def at(seconds):
    return RetryAt(NOW + timedelta(seconds=seconds))


def limited(resets_at):
    return x.RateLimited(resets_at, Scope.UNSAID, problem=None, head=None)


def unauthorized():
    return x.Unauthorized("No.", fix="Nothing.", problem=None, head=None)


def forbidden(reason):
    return x.Forbidden(reason, problem=None, head=None)


TABLE = [
    (x.Unconfirmed("Lost."), LookFirst(NOW + timedelta(seconds=5))),
    (x.Unreachable("Down."), at(5)),
    (x.Unavailable("Odd."), at(5)),
    (XUnavailable("Odd."), at(5)),
    (limited(NOW + timedelta(seconds=77)), at(77)),
    (limited(NOW - timedelta(seconds=77)), at(0)),
    (limited(None), at(900)),
    (unauthorized(), RefreshFirst()),
    (x.GrantLost("Gone."), PauseUntilMended(PauseReason.LOGIN)),
    (ReconnectNeeded("ada", "it was disconnected"), PauseUntilMended(PauseReason.LOGIN)),
    (x.AppMisconfigured("Not enrolled."), PauseUntilMended(PauseReason.APP)),
    (AppBroken("Not enrolled."), PauseUntilMended(PauseReason.APP)),
    *(
        (x.OutOfCredits(block, problem=None, head=None), PauseUntilMended(PauseReason.CREDITS))
        for block in SpendBlock
    ),
    (forbidden(ForbiddenReason.SUSPENDED), PauseUntilMended(PauseReason.ACCOUNT)),
    (forbidden(ForbiddenReason.LOCKED), PauseUntilMended(PauseReason.ACCOUNT)),
    (forbidden(ForbiddenReason.MISSING_SCOPE), PauseUntilMended(PauseReason.LOGIN)),
    (forbidden(ForbiddenReason.UNSUPPORTED_AUTHENTICATION), PauseUntilMended(PauseReason.LOGIN)),
    (forbidden(ForbiddenReason.EDGE), at(5)),
    *(
        (forbidden(reason), GiveUp())
        for reason in (
            ForbiddenReason.DUPLICATE, ForbiddenReason.NOT_VISIBLE_PARENT, ForbiddenReason.REPLY_NOT_ALLOWED,
            ForbiddenReason.QUOTE_NOT_ALLOWED, ForbiddenReason.CASHTAGS, ForbiddenReason.INVALID_URL,
            ForbiddenReason.VIDEO_TOO_LONG, ForbiddenReason.NOT_PERMITTED, ForbiddenReason.OTHER,
        )
    ),
    (x.Rejected(RejectedReason.MEDIA_IDS), UploadAgain()),
    *(
        (x.Rejected(reason), GiveUp())
        for reason in (
            RejectedReason.FIELDS_RENAMED, RejectedReason.INVALID_URL, RejectedReason.NOT_FOUND,
            RejectedReason.TOO_LARGE, RejectedReason.CONFLICT, RejectedReason.TEXT,
            RejectedReason.MALFORMED_ID, RejectedReason.PARAMETERS, RejectedReason.OTHER,
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("error", "decision"), TABLE, ids=lambda value: repr(value)[:60])
def test_each_answer_has_one_consequence(error, decision):
    assert decide(error, now=NOW, tries=0, refreshed=False, pace=PACE) == decision


def test_the_table_knows_every_reason_of_x():
    forbidden = {error.reason for error, _ in TABLE if isinstance(error, x.Forbidden)}
    rejected = {error.reason for error, _ in TABLE if isinstance(error, x.Rejected)}
    blocks = {error.block for error, _ in TABLE if isinstance(error, x.OutOfCredits)}
    assert (forbidden, rejected, blocks) == (set(ForbiddenReason), set(RejectedReason), set(SpendBlock))


def test_the_table_knows_every_error_of_x():
    kinds = {kind for kind in XError.__subclasses__() if kind.__module__ == x.__name__}
    assert {type(error) for error, _ in TABLE} >= kinds


def seconds_ago(seconds):
    return NOW - timedelta(seconds=seconds)


def parent(seconds, refused=0):
    return Past(parent_at=seconds_ago(seconds), parent_refused=refused)


SAME_BYTES = Past(after_unknown=True)
NOT_VISIBLE = forbidden(ForbiddenReason.NOT_VISIBLE_PARENT)
DUPLICATE = forbidden(ForbiddenReason.DUPLICATE)
MEDIA = x.Rejected(RejectedReason.MEDIA_IDS)
HISTORIES = [
    ("sent just now", x.Unconfirmed("Lost."), Past(sent_at=seconds_ago(2)), at(3)),
    ("sent half a minute ago", x.Unconfirmed("Timed out."), Past(sent_at=seconds_ago(30)), at(0)),
    ("a duplicate of what had no verdict", DUPLICATE, SAME_BYTES, Found()),
    ("a duplicate of something else", DUPLICATE, Past(), GiveUp()),
    ("a fresh parent", NOT_VISIBLE, parent(1), at(5)),
    ("a fresh parent, waited for once", NOT_VISIBLE, parent(7, refused=1), at(20)),
    ("a parent that was fresh when waiting began", NOT_VISIBLE, parent(70, refused=2), at(60)),
    ("a parent waited for in vain", NOT_VISIBLE, parent(130, refused=3), GiveUp()),
    ("a parent of long ago", NOT_VISIBLE, parent(61), GiveUp()),
    ("nobody's answer", NOT_VISIBLE, Past(), GiveUp()),
    ("media forgotten for the second time", MEDIA, Past(uploads_refused=1), GiveUp()),
    ("media of the same bytes forgotten", MEDIA, SAME_BYTES, AskPerson),
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "past", "expected"), [row[1:] for row in HISTORIES], ids=[row[0] for row in HISTORIES]
)
def test_what_the_card_went_through_counts(error, past, expected):
    decision = decide(error, past, now=NOW, tries=0, refreshed=False, pace=PACE)
    match decision:
        case LookFirst(at=look_at):
            assert RetryAt(look_at) == expected
        case AskPerson():
            assert expected is AskPerson
        case _:
            assert decision == expected


def test_a_fresh_token_that_is_refused_too_is_tried_again_later():
    decision = decide(unauthorized(), now=NOW, tries=0, refreshed=True, pace=PACE)
    assert decision == RetryAt(NOW + backoff(0, PACE))


@given(st.integers(0, 10_000))
def test_waiting_grows_and_stays_within_its_bounds(tries):
    wait = backoff(tries, PACE)
    assert timedelta(seconds=PACE.retry_first) <= wait <= timedelta(seconds=PACE.retry_most)
    assert wait <= backoff(tries + 1, PACE)


@given(st.integers(0, 40), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_nothing_is_ever_tried_again_in_the_past(tries, resets_at):
    for error in (x.Unreachable("Down."), limited(resets_at), limited(None)):
        decision = decide(error, now=NOW, tries=tries, refreshed=False, pace=PACE)
        assert isinstance(decision, RetryAt)
        assert decision.at >= NOW
