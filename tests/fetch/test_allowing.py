from ipaddress import ip_address

import pytest

from perch.fetch.allowing import allowances
from perch.fetch.errors import WrongAllowance

LAN = ip_address("192.168.1.5")


@pytest.mark.parametrize(
    ("entry", "host", "literal", "port", "covered"),
    [
        ("media.lan", "media.lan", "192.168.1.5", 8080, True),
        ("media.lan", "other.lan", "192.168.1.5", 8080, False),
        ("media.lan", "x.media.lan", "192.168.1.5", 80, False),
        ("Media.LAN.", "media.lan", "192.168.1.5", 80, True),
        ("media.lan:8080", "media.lan", "192.168.1.5", 8080, True),
        ("media.lan:8080", "media.lan", "192.168.1.5", 80, False),
        ("192.168.1.0/24", "any.test", "192.168.1.5", 9000, True),
        ("192.168.1.0/24", "any.test", "192.168.2.5", 9000, False),
        ("192.168.1.0/24:8080", "any.test", "192.168.1.5", 8080, True),
        ("192.168.1.0/24:8080", "any.test", "192.168.1.5", 80, False),
        ("127.0.0.1", "any.test", "127.0.0.1", 80, True),
        ("127.0.0.1", "any.test", "::ffff:127.0.0.1", 80, False),
        ("::1", "any.test", "::1", 80, True),
        ("fd00::/8", "any.test", "fd00::5", 80, True),
        ("[fd00::/8]:8080", "any.test", "fd00::5", 8080, True),
        ("[fd00::/8]:8080", "any.test", "fd00::5", 80, False),
    ],
)
def test_an_entry_covers_what_it_names_only(
    entry: str, host: str, literal: str, port: int, covered: bool
) -> None:
    (rule,) = allowances((entry,))

    assert rule.covers(host, ip_address(literal), port) is covered


@pytest.mark.parametrize(
    "entry", ["", "a b", "10.0.0.0/99", "http://media.lan/", "[::zz]:80", "host:port", "[x"]
)
def test_an_entry_that_names_nothing_is_refused(entry: str) -> None:
    with pytest.raises(WrongAllowance, match="PERCH_FETCH_ALLOW"):
        allowances((entry,))
