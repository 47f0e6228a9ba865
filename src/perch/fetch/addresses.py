"""Which IP addresses are public: where a stranger's URL may lead.

``ipaddress.is_global`` alone lets almost half of the known bad ones through. What counts here are IANA's
special-purpose registries (RFC 6890 and https://www.iana.org/assignments/iana-ipv6-special-registry), and
that no IPv6 address smuggles an IPv4 one past them.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

_CLOSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 1122)
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # carrier NAT (RFC 6598); some clouds keep metadata here
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local (RFC 3927); cloud metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarking (RFC 2544)
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)

_UNICAST_V6 = IPv6Network("2000::/3")
"""All that IANA gives out for global unicast. Outside lie loopback, fc00::/7, fe80::/10, fec0::/10, ff00::/8,
5f00::/16 and IPv4 mapped (::ffff:0:0/96), compatible (::/96), translated (::ffff:0:0:0/96) and NAT64
(64:ff9b::/96, 64:ff9b:1::/48)."""

_CLOSED_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments (RFC 2928), Teredo with its embedded IPv4 among them
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4: an IPv4 address inside (RFC 3056)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)

_ISATAP = {0x00005EFE, 0x02005EFE}
"""The upper half of an interface id whose lower half is an IPv4 address (RFC 5214 section 6.1)."""


def is_public(address: Address) -> bool:
    """Whether an address is plain public unicast, with nothing embedded in it."""
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return _is_public_v6(address)


def _is_public_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _UNICAST_V6:
        return False
    interface_id = int(address) & 0xFFFF_FFFF_FFFF_FFFF
    return interface_id >> 32 not in _ISATAP and not any(address in network for network in _CLOSED_V6)
