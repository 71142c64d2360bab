"""Bytes over a socket: what a client sends that no HTTP library would send."""

import contextlib
import socket
from typing import NamedTuple


class RawAnswer(NamedTuple):
    """An answer as it came: status 0 where the connection ended without one."""

    status: int
    headers: dict[str, str]
    body: bytes


def connected(address: str, seconds: float = 20) -> socket.socket:
    """Return a socket to a server at http://HOST:PORT."""
    host, port = address.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=seconds)


def exchange(address: str, request: bytes) -> RawAnswer:
    """Send bytes on a connection of their own, and return the first answer."""
    with connected(address) as client:
        with contextlib.suppress(ConnectionError):  # a server may refuse before all is sent
            client.sendall(request)
        return received(client, empty=request.startswith(b"HEAD "))


def received(client: socket.socket, *, empty: bool = False) -> RawAnswer:
    """Return the next answer of a connection; an `empty` one has no body, whatever its length says."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in data and (part := client.recv(65536)):
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        headers = _headers(head)
        length = 0 if empty else int(headers.get("content-length", 0))
        while len(body) < length and (part := client.recv(65536)):
            body += part
    if not data.startswith(b"HTTP/1.1 "):
        return RawAnswer(0, {}, data)
    return RawAnswer(int(data[9:12]), headers, body)


def _headers(head: bytes) -> dict[str, str]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, _, value in lines}


def ended(client: socket.socket) -> bool:
    """Wait until the server ends a connection; whatever still comes is read."""
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    return True
