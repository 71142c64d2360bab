"""Which addresses of the network an image may be fetched from: those of the public internet, and no others.

    is_public("93.184.216.34")      # True
    is_public("::ffff:10.0.0.1")    # False

The list is of our own, after IANA's registries of special-purpose addresses (RFC 6890, with updates), since Python's
`is_global` differs between versions.  IPv6 addresses that carry an IPv4 address (mapped, 6to4, NAT64, Teredo) are
refused whatever they carry: somebody else translates them.
"""

import ipaddress

_V4 = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
    "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32"  # the last: the metadata of a cloud
)
_V6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"  # of 2000::/3, outside of which nothing is public
REFUSED_V4 = tuple(map(ipaddress.IPv4Network, _V4.split()))
REFUSED_V6 = tuple(map(ipaddress.IPv6Network, _V6.split()))
GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")


def is_public(address: str) -> bool:
    """Return whether an address, in numbers as the system writes it, is one of the public internet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in REFUSED_V4)
    return parsed.scope_id is None and parsed in GLOBAL_V6 and not any(parsed in network for network in REFUSED_V6)


def ends_in_number(host: str) -> bool:
    """Return whether the last part of a name is a number: no name on the internet is like that, only an address."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdigit() or (last.startswith("0x") and set(last[2:]) <= set("0123456789abcdef"))
