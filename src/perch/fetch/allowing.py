"""What an operator lets strangers' addresses reach although it is private or on another port.

An entry of PERCH_FETCH_ALLOW is ``host``, ``host:port``, ``network`` or ``network:port``; before a port,
an IPv6 network stands in brackets (``[fd00::/8]:8080``). An entry lifts the rules for what it names only.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from perch.fetch.addresses import Address
from perch.fetch.errors import WrongAllowance

_ENTRY = re.compile(
    r"\[(?P<v6>[0-9a-f:./]+)\](:(?P<p6>\d{1,5}))?|(?P<host>[a-z0-9._/-]+)(:(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """One entry: a host by its name in the URL, or a network by the address connected to."""

    target: str | IPv4Network | IPv6Network
    port: int | None

    def may_cover(self, host: str, port: int) -> bool:
        """What can be said before the name is resolved."""
        return self.port in (None, port) and (not isinstance(self.target, str) or self.target == host)

    def covers(self, host: str, address: Address, port: int) -> bool:
        if isinstance(self.target, str):
            return self.may_cover(host, port)
        return self.port in (None, port) and address in self.target


def allowances(entries: Iterable[str]) -> tuple[Allowance, ...]:
    """Read the entries. Raises WrongAllowance for one that names nothing."""
    return tuple(_allowance(entry.strip().lower()) for entry in entries)


def _allowance(entry: str) -> Allowance:
    if entry.count(":") > 1 and not entry.startswith("["):
        entry = f"[{entry}]"
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise _wrong(entry)
    port = match["p6"] or match["port"]
    return Allowance(_target(entry, match["v6"] or match["host"]), int(port) if port else None)


def _target(entry: str, name: str) -> str | IPv4Network | IPv6Network:
    try:
        return ip_network(name, strict=False)
    except ValueError:
        if "/" in name or ":" in name:
            raise _wrong(entry) from None
        return name.rstrip(".")


def _wrong(entry: str) -> WrongAllowance:
    return WrongAllowance(
        f"PERCH_FETCH_ALLOW: {entry!r} is neither a host nor a network.",
        fix="Write media.lan, media.lan:8080, 192.168.1.0/24 or 192.168.1.0/24:8080.",
    )
