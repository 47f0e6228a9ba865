import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[int]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(slots=True)
class Sink:
    """Counts who comes by on the loopback addresses, on one port."""

    port: int
    connects: int = 0


class Names(AbstractResolver):
    """A resolver that says what the test wants, one answer per lookup; the last one stays."""

    def __init__(self, *answers: tuple[str, ...], port: int | None = None) -> None:
        self._answers = list(answers)
        self._port = port
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=self._port or port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    async def close(self) -> None:
        return None


@pytest.fixture
def names() -> type[Names]:
    return Names


@asynccontextmanager
async def _sink() -> AsyncIterator[Sink]:
    listening = socket.create_server(("127.0.0.1", 0))
    found = Sink(listening.getsockname()[1])

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connects += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        writer.close()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(await asyncio.start_server(note, sock=listening))
        if socket.has_ipv6:
            await stack.enter_async_context(await asyncio.start_server(note, "::1", found.port))
        yield found


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with _sink() as found:
        yield found


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server for one handler and gives its port."""
    async with AsyncExitStack() as stack:

        async def start(
            handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
        ) -> int:
            application = web.Application()
            application.router.add_get("/{rest:.*}", handler)
            runner = web.AppRunner(application, shutdown_timeout=0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
            bound: int = runner.addresses[0][1]
            return bound

        yield start


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate for 127.0.0.1, the server's side of it and the client's."""

    server: ssl.SSLContext
    client: ssl.SSLContext = field(repr=False)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    both = tmp_path / "loopback.pem"
    both.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    return Tls(server, ssl.create_default_context(cadata=pem.decode()))
