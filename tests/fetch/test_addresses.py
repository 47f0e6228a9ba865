from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.fetch.addresses import is_public

CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 ::8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1
64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1
2001:20::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1
fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:127.0.0.1 2606:4700::1111%lo
"""

OPEN = """
1.1.1.1 8.8.8.8 9.9.9.9 13.107.42.14 23.32.0.1 52.95.110.1 93.184.216.34 100.63.255.255 100.128.0.1
104.244.42.1 128.0.0.1 151.101.1.69 172.15.255.255 172.32.0.1 185.199.108.153 192.0.1.1
198.17.255.255 223.255.255.254
2001:4860:4860::8888 2001:200::1
2606:4700:4700::1111 2620:fe::fe 2a00:1450:4001:80e::200e 2a04:4e42::485
2c0f:f248::1 2400:cb00:2048:1::6814:55
"""


@pytest.mark.parametrize("literal", CLOSED.split())
def test_a_special_or_disguised_address_is_not_public(literal: str) -> None:
    assert not is_public(ip_address(literal))


@pytest.mark.parametrize("literal", OPEN.split())
def test_an_ordinary_address_is_public(literal: str) -> None:
    assert is_public(ip_address(literal))


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_gets_public_by_hiding_in_ipv6(inner: IPv4Address) -> None:
    low = int(inner)
    disguises = (
        low,
        0xFFFF_0000_0000 | low,
        0xFFFF_0000_0000_0000 | low,
        (0x64FF9B << 96) | low,
        (0x2002 << 112) | (low << 80) | 1,
        (0x2001_0000 << 96) | (low ^ 0xFFFF_FFFF),
        (0x2606_4700 << 96) | (0x5EFE << 32) | low,
    )
    assert not any(is_public(IPv6Address(disguise)) for disguise in disguises)
