"""``python -m perch.sandbox``: the sandbox as a process of its own."""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from perch.sandbox.app import create_app
from perch.sandbox.config import SandboxConfig
from perch.sandbox.serving import Server, listen

PR_SET_PDEATHSIG = 1
SECRET_VARIABLE = "SANDBOX_CLIENT_SECRET"  # noqa: S105 - the name of a variable
SEED_VARIABLE = "SANDBOX_SEED"
DEFAULT = SandboxConfig()


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(
        prog="python -m perch.sandbox", description="A local X. Nothing reaches X."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5001, help="0 takes any free one")
    parser.add_argument("--url", help="how browsers reach it; from host and port when left out")
    parser.add_argument("--data", type=Path, help="an SQLite file to remember in; nothing is kept without it")
    parser.add_argument("--pace", type=float, default=1.0, help="scales processing times, lags and faults")
    parser.add_argument(
        "--seed",
        type=int,
        default=int(os.environ.get(SEED_VARIABLE, DEFAULT.seed)),
        help=f"decides faults that come at a rate; or {SEED_VARIABLE}",
    )
    parser.add_argument(
        "--callback", action="append", metavar="URL", help="a registered callback; repeatable"
    )
    parser.add_argument("--client-id", default=DEFAULT.client_id)
    parser.add_argument(
        "--client-secret",
        default=os.environ.get(SECRET_VARIABLE, DEFAULT.client_secret),
        help=f"better given as {SECRET_VARIABLE}: command lines can be read by everybody on the machine",
    )
    parser.add_argument("--reveal", action="store_true", help="let /_sandbox/secrets list the live tokens")
    parser.add_argument(
        "--with-parent", type=int, metavar="PID", help="end when the process that started it, PID, ends"
    )
    parser.add_argument("--quiet", action="store_true", help="do not say where it listens")
    return parser


def config_of(given: argparse.Namespace, port: int) -> SandboxConfig:
    """The command line as a configuration; ``port`` is the one it got, should it have asked for any."""
    host = f"[{given.host}]" if ":" in given.host else given.host
    return SandboxConfig(
        url=(given.url or f"http://{host}:{port}").rstrip("/"),
        client_id=given.client_id,
        client_secret=given.client_secret,
        callbacks=tuple(given.callback or DEFAULT.callbacks),
        data=given.data,
        pace=given.pace,
        seed=given.seed,
        reveal=given.reveal,
    )


def end_with_parent(parent: int) -> None:
    """Ask Linux for SIGTERM when the parent dies; a parent that is already gone ends this at once."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to end; returns 1 when the port is taken."""
    given = arguments().parse_args(argv)
    if given.with_parent is not None:
        end_with_parent(given.with_parent)
    try:
        sock = listen(given.host, given.port)
    except OSError as error:
        sys.stderr.write(f"The sandbox cannot listen on {given.host} port {given.port}: {error.strerror}.\n")
        return 1
    config = config_of(given, sock.getsockname()[1])
    server = Server(create_app(config))
    if not given.quiet:
        sys.stdout.write(f"The sandbox listens on {config.url}\n")
        sys.stdout.flush()
    server.run(sockets=[sock])
    return 0


if __name__ == "__main__":
    sys.exit(main())
