"""Who may ask, from where, and how patiently a connection is kept: plain values that travel to worker processes.

SafetySettings(allow_hosts=("photos.example.org",), proxies=("10.0.0.2",))
"""

import secrets
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections one process keeps, and how slow they may be; times in seconds, sizes in bytes.

    `window` and `rate`: in each window of so many seconds, so many bytes a second have to move, in or out.
    `linger`: how long what is left of a refused body is still read, so that its client gets to see the answer.
    """

    total: int = 2_048
    of_one_address: int = 256  # not of this machine, nor of a proxy
    header_seconds: float = 10.0
    header_bytes: int = 32_768  # the request line with all headers
    headers: int = 100
    target: int = 16_384  # path and query string
    window: float = 20.0
    rate: float = 1_024.0
    idle: float = 30.0
    linger: float = 5.0


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """`key_hashes`: of keys that are no file's; `no_key`: everybody may ask, wherever the server listens.

    `allow_hosts`: names under which the server is asked, "*" for any.  `allow_origins`: sites whose pages may ask.
    `proxies`: addresses whose X-Forwarded headers are believed.  `rates`: the file in which worker processes count
    requests together, `ended` the folder in which they note sessions that were ended.  `secret` signs sessions, which
    end with the server.
    """

    key_hashes: tuple[str, ...] = ()
    no_key: bool = False
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    rates: Path | None = None
    ended: Path | None = None
    secret: bytes = field(default_factory=partial(secrets.token_bytes, 32), repr=False)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
