"""The commands and their options; each one imports its work only when it is called."""

import asyncio
from pathlib import Path
from typing import Annotated, Optional

import typer

from perch.settings import load

app = typer.Typer(
    name="perch",
    help="Perch, a self-hosted publisher for X.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Account = Annotated[Optional[str], typer.Option("--account", help="Which account, as @handle or id.")]  # noqa: UP045
_WHEN = "2026-12-01T09:00, “tomorrow 9am”, next (the next free slot), or now."


@app.command(epilog="Example: perch up")
def up() -> None:
    """Run Perch: web, worker, and the sandbox when no X app is configured."""
    from perch.cli.up import up as run

    asyncio.run(run(load()))


@app.command(epilog="Example: perch serve")
def serve() -> None:
    """Run the web alone; perch worker sends what it accepts."""
    from perch.cli.up import serve as run

    asyncio.run(run(load()))


@app.command(epilog="Example: perch worker")
def worker() -> None:
    """Run a worker alone: one beside SQLite, any number beside PostgreSQL."""
    from perch.cli.up import work

    asyncio.run(work(load()))


@app.command(epilog="Example: perch sandbox --port 5001")
def sandbox(
    port: Annotated[
        int | None, typer.Option(help="Where to listen; default PERCH_SANDBOX_PORT.", min=1, max=65535)
    ] = None,
    data: Annotated[Optional[Path], typer.Option(help="A file to remember posts and people in.")] = None,  # noqa: UP045
) -> None:
    """Run the local X alone, for trying clients against it."""
    from perch.cli.local_x import run

    run(load(), port, data)


@app.command(epilog="Example: perch migrate")
def migrate() -> None:
    """Bring the database to this version. Perch must be stopped."""
    from perch.cli.migrating import run

    asyncio.run(run(load()))


@app.command(epilog="Example: perch post 'Good morning' --media sunrise.jpg --alt 'The sun over a lake'")
def post(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    media: Annotated[Optional[list[Path]], typer.Option(help="A picture, GIF or video; up to four.")] = None,  # noqa: UP045
    alt: Annotated[list[str] | None, typer.Option(help="A description for each --media, in order.")] = None,
    at: Annotated[str | None, typer.Option(help=_WHEN)] = None,
    account: Account = None,
    dry_run: Annotated[bool, typer.Option(help="Check and price it; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Post to X, now or at a time, once."""
    from perch.cli.posting import Wish, run

    wish = Wish(text, tuple(media or ()), tuple(alt or ()), at, account, dry_run)
    raise typer.Exit(asyncio.run(run(load(), wish, as_json=as_json)))


@app.command(epilog="Example: perch thread notes.md --at 'tomorrow 9am' --dry-run")
def thread(
    file: Annotated[Path, typer.Argument(help="A text with lines of --- between the cards; - reads input.")],
    at: Annotated[str | None, typer.Option(help=_WHEN)] = None,
    account: Account = None,
    dry_run: Annotated[bool, typer.Option(help="Check and price every card; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Post a thread from a file, checked whole before its first card is sent."""
    from perch.cli.threads import run

    raise typer.Exit(asyncio.run(run(load(), file, at, account, dry_run=dry_run, as_json=as_json)))


@app.command(epilog="Example: perch queue")
def queue(as_json: AsJson = False) -> None:
    """List what is to come, and what waits for you."""
    from perch.cli.queueing import run

    asyncio.run(run(load(), as_json=as_json))


@app.command(epilog="Example: perch slots @ada --set 'mon-fri 09:00,17:30; sat 10:00'")
def slots(
    account: Annotated[str | None, typer.Argument(help="@handle or id; not needed with one account.")] = None,
    slots: Annotated[str | None, typer.Option("--set", help="The slots from now on; '' for none.")] = None,
    zone: Annotated[str | None, typer.Option(help="The account's time zone, such as Europe/Berlin.")] = None,
    late: Annotated[str | None, typer.Option(help="Late posts: send them (up to 6 h), or ask.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change the weekly slots of an account."""
    from perch.cli.slotting import Wish, run

    asyncio.run(run(load(), Wish(account, slots, zone, late), as_json=as_json))


recurring = typer.Typer(help="Posts that come again.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(recurring, name="recurring", epilog="Example: perch recurring list")
Recurring = Annotated[str, typer.Argument(help="Its id, from perch recurring list.")]


@recurring.command("list", epilog="Example: perch recurring list --json")
def list_recurring(as_json: AsJson = False) -> None:
    """List the posts that come again."""
    from perch.cli.recurring import show

    asyncio.run(show(load(), as_json=as_json))


@recurring.command("add", epilog="Example: perch recurring add 'mon 09:00' 'A good week to all'")
def add_recurring(
    rule: Annotated[str, typer.Argument(help="“daily 09:00”, “mon,thu 17:30”, or cron.")],
    texts: Annotated[Optional[list[str]], typer.Argument(help="Texts that are taken in turn.")] = None,  # noqa: UP045
    file: Annotated[Optional[list[Path]], typer.Option(help="A thread as one more text; repeatable.")] = None,  # noqa: UP045
    account: Account = None,
    zone: Annotated[str | None, typer.Option(help="Whose wall clock; the account's unless said.")] = None,
    jitter: Annotated[int, typer.Option(help="Minutes that chance may move it.", min=0, max=120)] = 0,
    late: Annotated[str, typer.Option(help="Late turns: send, ask or skip.")] = "send",
    most: Annotated[int | None, typer.Option(help="How many times at most.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Make a post that comes again."""
    from perch.cli.recurring import Wish, add

    wish = Wish(rule, tuple(texts or ()), tuple(file or ()), account, zone, jitter, late, most)
    asyncio.run(add(load(), wish, as_json=as_json))


@recurring.command("next", epilog="Example: perch recurring next q8zr2mxk4t6v9c3b --count 5")
def next_recurring(
    recurrence: Recurring,
    count: Annotated[int, typer.Option(help="How many times.", min=1, max=100)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the next times of a post that comes again."""
    from perch.cli.recurring import upcoming

    asyncio.run(upcoming(load(), recurrence, count, as_json=as_json))


@recurring.command("stop", epilog="Example: perch recurring stop q8zr2mxk4t6v9c3b")
def stop_recurring(recurrence: Recurring, as_json: AsJson = False) -> None:
    """End a post that comes again; what was sent stays."""
    from perch.cli.recurring import stop

    asyncio.run(stop(load(), recurrence, as_json=as_json))


@app.command(epilog="Example: perch accounts --json")
def accounts(as_json: AsJson = False) -> None:
    """List the connected X accounts and how they are."""
    from perch.cli.accounts import run

    asyncio.run(run(load(), as_json=as_json))


@app.command(epilog="Example: perch login")
def login(
    on_sandbox: Annotated[bool, typer.Option("--sandbox", help="Sign in to the sandbox, not to X.")] = False,
    as_json: AsJson = False,
) -> None:
    """Connect an X account from a terminal."""
    from perch.cli.login import run

    asyncio.run(run(load(), on_sandbox=on_sandbox, as_json=as_json))


@app.command(epilog="Example: perch invite --role writer")
def invite(
    role: Annotated[str, typer.Option(help="owner, editor, writer or viewer.")] = "editor",
    as_json: AsJson = False,
) -> None:
    """Make a link that lets one more person in."""
    from perch.cli.inviting import run

    asyncio.run(run(load(), role, as_json=as_json))


@app.command(epilog="Example: perch release")
def release(as_json: AsJson = False) -> None:
    """Send what was held back after a backup was restored. Look on X first."""
    from perch.cli.releasing import run

    asyncio.run(run(load(), as_json=as_json))


@app.command(epilog="Example: perch doctor")
def doctor(as_json: AsJson = False) -> None:
    """Check everything that posting needs, in plain words."""
    from perch.cli.doctor import run

    raise typer.Exit(asyncio.run(run(load(), as_json=as_json)))


@app.command(epilog="Example: perch verify --post t6sb2etx33m895q7")
def verify(
    post: Annotated[Optional[str], typer.Option(help="One post, by the id of its receipt.")] = None,  # noqa: UP045
    as_json: AsJson = False,
) -> None:
    """Prove that no line of any receipt is missing or altered."""
    from perch.cli.verifying import run

    raise typer.Exit(asyncio.run(run(load(), post, as_json=as_json)))


@app.command(epilog="Example: perch weigh 'Hello https://example.com'")
def weigh(
    text: Annotated[str, typer.Argument(help="The text; - reads it from standard input.")],
    as_json: AsJson = False,
) -> None:
    """Count a text as X does, and price it."""
    from perch.cli.weighing import run

    raise typer.Exit(run(load(), text, as_json=as_json))


secrets = typer.Typer(help="Secrets at rest: change the key.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(secrets, name="secrets", epilog="Example: perch secrets rotate")


@secrets.command("rotate", epilog="Example: perch secrets rotate --json")
def rotate_secrets(as_json: AsJson = False) -> None:
    """Seal everything at rest with the first key of PERCH_SECRET_KEY."""
    from perch.cli.rotating import run

    raise typer.Exit(asyncio.run(run(load(), as_json=as_json)))


keys = typer.Typer(help="API keys: make, list, revoke.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys", epilog="Example: perch keys create laptop --scope posts:read")


@keys.command("create", epilog="Example: perch keys create laptop --scope posts:read --scope publish:direct")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="posts:read, drafts:write or publish:direct; repeatable.")
    ] = None,
    account: Account = None,
    days: Annotated[int, typer.Option(help="How long it lives.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make an API key and show it, once. Without --scope it may only read."""
    from perch.cli.keys import create

    scopes = tuple(scope or ("posts:read",))
    asyncio.run(create(load(), name, scopes, account, days, as_json=as_json))


@keys.command("list", epilog="Example: perch keys list --json")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys and the tokens of custom GPTs."""
    from perch.cli.keys import show

    asyncio.run(show(load(), as_json=as_json))


@keys.command("revoke", epilog="Example: perch keys revoke zaqgzrhr4562v8j2")
def revoke_key(
    key: Annotated[str, typer.Argument(help="The key's id, from perch keys list.")],
    as_json: AsJson = False,
) -> None:
    """End a key or a custom GPT's token at once."""
    from perch.cli.keys import revoke

    asyncio.run(revoke(load(), key, as_json=as_json))
