"""What can go wrong between a person, their X account and Perch, cut by what they do next.

PerchError
 ├─ NoApp                 the X app asked for is not set up: the operator's to mend
 ├─ AmbiguousHandle       one handle, several accounts: say which
 ├─ WrongPreference       no way to treat an account's posts: name another
 ├─ SignInFailed          a sign-in ended without one; nothing of it was kept
 │   ├─ CallbackBroken    the query that came back is not one of X's
 │   ├─ StateUnknown      no sign-in of ours has this state
 │   ├─ StateExpired      it was ours, but ten minutes have passed
 │   ├─ StateSpent        it was ours, and has been used
 │   ├─ OtherBrowser      it was begun in another browser
 │   ├─ ConsentDenied     the person, or X, said no
 │   ├─ CodeRefused       X does not take the code back
 │   ├─ MissingScopes     consented, but to less than posting needs
 │   ├─ DifferentAccount  reconnected, but as somebody else on X
 │   └─ AccountTaken      the X account belongs to another workspace
 └─ perch.x.errors.XError
     ├─ AppAbsent         an ``AppMisconfigured``: the settings no longer name the account's X
     ├─ XUnavailable      an ``Unavailable``: X's login service gives no usable answer; later
     ├─ AppBroken         an ``AppMisconfigured``: the operator's credentials, never the account's fault
     └─ ReconnectNeeded   a ``GrantLost``: only a new consent helps

The last four are kinds of X's own errors, so whoever decides what follows from those decides these too.
"""

from collections.abc import Iterable

from perch.accounts.models import AppKind
from perch.errors import PerchError
from perch.x.errors import AppMisconfigured, GrantLost, Unavailable, XError

_AGAIN = "Start again with “Sign in with X”."


class NoApp(PerchError):
    """No X app of the wanted kind is configured."""

    code = "no_x_app"
    status = 503


class WrongPreference(PerchError):
    """Not one of the ways in which an account's posts can be treated."""

    code = "wrong_preference"
    status = 422


class AmbiguousHandle(PerchError):
    """Several accounts of the workspace carry this handle."""

    code = "ambiguous_handle"
    status = 409


class SignInFailed(PerchError):
    """A sign-in that did not end in one."""

    code = "sign_in_failed"


class CallbackBroken(SignInFailed):
    """A parameter is missing, repeated or of no honest length."""

    code = "callback_broken"

    def __init__(self, what: str) -> None:
        super().__init__(f"The answer that came back from X cannot be used: {what}.", fix=_AGAIN)


class StateUnknown(SignInFailed):
    """Forged, mistyped, or forgotten a day after it expired."""

    code = "state_unknown"

    def __init__(self) -> None:
        super().__init__("This sign-in was not begun here, so it cannot be finished here.", fix=_AGAIN)


class StateExpired(SignInFailed):
    """The consent took longer than ten minutes."""

    code = "state_expired"

    def __init__(self) -> None:
        super().__init__("This sign-in took longer than ten minutes and has expired.", fix=_AGAIN)


class StateSpent(SignInFailed):
    """A replay, or a reload of the callback's page."""

    code = "state_spent"

    def __init__(self) -> None:
        super().__init__(
            "This sign-in has been used already; each one works once.",
            fix="If you are not signed in, start again with “Sign in with X”.",
        )


class OtherBrowser(SignInFailed):
    """Somebody else's sign-in, or cookies that do not survive the way to X and back."""

    code = "other_browser"

    def __init__(self) -> None:
        super().__init__(
            "This sign-in was begun in another browser, so it cannot be finished in this one.",
            fix="Start again in this browser, and allow cookies for this site.",
        )


class ConsentDenied(SignInFailed):
    """X sent the browser back without a code."""

    code = "consent_denied"
    status = 403

    def __init__(self, said: str | None = None) -> None:
        sentence = (
            f"X did not give its consent ({said})." if said else "Access to the X account was not allowed."
        )
        super().__init__(f"{sentence} Nothing was connected.", fix=f"To use Perch, allow it on X. {_AGAIN}")


class CodeRefused(SignInFailed):
    """The code is older than 30 seconds, used, or was meant for another app."""

    code = "code_refused"

    def __init__(self) -> None:
        super().__init__(
            "X no longer accepts this sign-in: its code lasts 30 seconds and works once.", fix=_AGAIN
        )


class MissingScopes(SignInFailed):
    """``scopes`` are the ones that posting cannot do without and X did not grant."""

    code = "missing_scopes"
    status = 403

    def __init__(self, scopes: Iterable[str]) -> None:
        self.scopes = tuple(scopes)
        super().__init__(
            f"X did not grant what posting needs: {', '.join(self.scopes)}. Nothing was connected.",
            fix="Sign in again and allow everything X asks about.",
        )


class DifferentAccount(SignInFailed):
    """X's page always offers the account that is signed in there."""

    code = "different_account"
    status = 409

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(
            f"This was meant to reconnect @{expected}, but X answered for @{came}. Nothing was changed.",
            fix=f"Switch to @{expected} on x.com, then reconnect it again.",
        )


class AccountTaken(SignInFailed):
    """One X account belongs to one workspace."""

    code = "account_taken"
    status = 409

    def __init__(self, username: str) -> None:
        super().__init__(
            f"@{username} already belongs to another workspace of this Perch.",
            fix="Ask its owner to invite you there, or connect another X account.",
        )


class XUnavailable(Unavailable):
    """X's login service cannot be reached, is limiting calls, or answers nonsense."""

    code = "x_unavailable"

    @classmethod
    def because(cls, error: XError) -> "XUnavailable":
        """The same news, told to someone who is signing in or posting."""
        return cls(
            "X's login service gives no usable answer.", fix="Try again in a minute.", problem=error.problem
        )


class AppBroken(AppMisconfigured):
    """X refuses the operator's app."""

    code = "x_app_broken"

    @classmethod
    def because(cls, error: XError) -> "AppBroken":
        """X's refusal of the app, told to people who cannot mend it themselves."""
        return cls(
            "X refuses the X app that this Perch uses; no account is at fault.",
            fix="The operator compares client id, client secret and callback address with console.x.com.",
            problem=error.problem,
        )


class AppAbsent(AppMisconfigured):
    """The account was connected through an X app that the settings do not name any more."""

    code = "x_app_absent"

    def __init__(self, kind: AppKind) -> None:
        what, fix = _ABSENT[kind]
        super().__init__(f"This account belongs to {what}, so nothing was sent.", fix=fix)


_ABSENT = {
    AppKind.LIVE: (
        "an X app that is no longer configured",
        "Set PERCH_X_CLIENT_ID again and restart Perch; the post then goes out.",
    ),
    AppKind.SANDBOX: (
        "the sandbox, which does not run",
        "Set PERCH_SANDBOX=on and restart Perch; the post then goes out.",
    ),
}


class ReconnectNeeded(GrantLost):
    """The grant is dead, gone, or ran out without a refresh token."""

    code = "reconnect_needed"

    def __init__(self, username: str, why: str) -> None:
        super().__init__(
            f"Perch can no longer act for @{username}: {why}.",
            fix=f"Connect @{username} again; what is scheduled stays and goes out after that.",
        )
