"""Posts a second that the sandbox accepts on one core, beside a bare Starlette app with a constant answer."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

REQUESTS = 12_000
CONNECTIONS = 16
BARE = """
import socket, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
BODY = b'{"data":{"id":"2123771171743727616","text":"Hello","edit_history_tweet_ids":["212377117174372"]}}'
async def create(request):
    await request.body()
    return Response(BODY, 201, {"content-type": "application/json; charset=utf-8"})
app = Starlette(routes=[Route("/2/tweets", create, methods=["POST"])])
sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(f"http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(app, http="httptools", log_level="error", access_log=False)).run(sockets=[sock])
"""


def run() -> dict[str, Any]:
    """Both under the same load in the same run; prints and returns one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = ["-m", "perch.sandbox", "--port", "0", "--data", str(Path(folder) / "x.db")]
        value = _measure(sandbox, token=True)
    baseline = _measure(["-c", BARE], token=False)
    result = {
        "bench": "sandbox_create",
        "value": round(value),
        "unit": "requests/s",
        "baseline": round(baseline),
        "ratio": round(value / baseline, 3),
    }
    print(json.dumps(result), flush=True)
    return result


def _measure(arguments: list[str], *, token: bool) -> float:
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().decode().rpartition(":")[2])
        _pin(server.pid, 0)
        try:
            bearer = _prepare(port) if token else "none"
            asyncio.run(_load(port, bearer, REQUESTS // 10))
            return asyncio.run(_load(port, bearer, REQUESTS))
        finally:
            server.terminate()


def _pin(pid: int, core: int) -> None:
    """Server on one core, load on another, where the machine has two."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[core % len(cores)]})


def _prepare(port: int) -> str:
    _ask(port, "PUT", "settings", {"rate_limits": False})
    return str(_ask(port, "POST", "tokens", {"username": "sandbox_ada"})["access_token"])


def _ask(port: int, method: str, path: str, body: Any) -> Any:
    url = f"http://127.0.0.1:{port}/_sandbox/{path}"
    with urllib.request.urlopen(
        urllib.request.Request(url, json.dumps(body).encode(), method=method)
    ) as answer:
        return json.load(answer)


async def _load(port: int, bearer: str, requests: int) -> float:
    """Requests a second over kept-alive connections, each text new."""
    begun = time.perf_counter()
    share = requests // CONNECTIONS
    await asyncio.gather(*(_client(port, bearer, share, f"{begun} {n}") for n in range(CONNECTIONS)))
    return share * CONNECTIONS / (time.perf_counter() - begun)


async def _client(port: int, bearer: str, requests: int, name: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(requests):
        body = json.dumps(
            {"text": f"Post {number} of client {name}, of ordinary length and plain words"}
        ).encode()
        writer.write(
            f"POST /2/tweets HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {bearer}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


if __name__ == "__main__":
    run()
