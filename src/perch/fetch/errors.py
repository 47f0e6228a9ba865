"""Why a fetch gave nothing.

PerchError
 ├─ FetchRefused     Perch will not go there, now or later: the address must change
 ├─ FetchFailed      the other side did not deliver: trying later may help
 ├─ TooLarge         there is more than was asked for
 └─ WrongAllowance   an entry of PERCH_FETCH_ALLOW says nothing: the operator's to mend
"""

from perch.errors import PerchError


class FetchRefused(PerchError):
    """The address is not one that a stranger may send Perch to."""

    code = "address_refused"
    status = 422


class FetchFailed(PerchError):
    """The address was fine, the answer was not: no connection, a bad status, too slow, cut short."""

    code = "fetch_failed"
    status = 502


class TooLarge(PerchError):
    """The answer is longer than its taker allows."""

    code = "too_large"
    status = 413


class WrongAllowance(PerchError):
    """An entry of PERCH_FETCH_ALLOW is neither a host nor a network."""

    code = "wrong_setting"
    status = 500
