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
    port: Annotated[Optional[int], typer.Option(help="Where to listen; default PERCH_SANDBOX_PORT.")] = None,  # noqa: UP045
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
    at: Annotated[str | None, typer.Option(help="When, such as 2026-12-01T09:00+01:00; default now.")] = None,
    account: Account = None,
    dry_run: Annotated[bool, typer.Option(help="Check and price it; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Post to X, now or at a time, once."""
    from perch.cli.posting import Wish, run

    wish = Wish(text, tuple(media or ()), tuple(alt or ()), at, account, dry_run)
    raise typer.Exit(asyncio.run(run(load(), wish, as_json=as_json)))


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
