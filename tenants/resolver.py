"""Asking the Internet for proofs: DNS, and one small file over HTTP.

Who controls the domain controls the answers, so they are distrusted: bounded in time and size,
never followed elsewhere, and never a way to a server that only we can reach (OWASP SSRF Prevention
Cheat Sheet). The address that was checked is the one that is connected to, so a name that means
something else a moment later (DNS rebinding) gains nothing.
"""

import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
from django.conf import settings

from tenants.proofs import NotPublished, Resolver, Unproven, Unreachable

Address = IPv4Address | IPv6Address

_MOST_RECORDS: Final = 50
_MOST_ADDRESSES: Final = 4
_LONGEST_FILE: Final = 1024
_LONGEST_ANSWER: Final = 16 * 1024
"""Bytes of an HTTP answer that are read at all, its headers among them."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_AGAIN: Final = "Nothing was decided: try again in a few minutes."


def is_public(address: Address) -> bool:
    """Tell whether everybody reaches an address: not private, local, reserved or multicast.

    An IPv6 address in which an IPv4 address is embedded is as public as that one.
    """
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            embedded = IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        if address.is_site_local or address in _LOCAL_NAT64:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


class NetworkResolver:
    """Asks real servers. ``seconds`` bounds each question as a whole, with all its attempts.

    ``dns_servers`` are ``ip:port``; without any, the system's. Tests, whose servers are on this
    machine, pass another ``port`` and another rule for which addresses ``may_connect`` allows.
    """

    def __init__(
        self,
        dns_servers: Sequence[str] = (),
        *,
        seconds: float = 6.0,
        port: int = 80,
        may_connect: Callable[[Address], bool] = is_public,
    ) -> None:
        self._dns_servers = dns_servers
        self._seconds = seconds
        self._port = port
        self._may_connect = may_connect

    def txt(self, name: str) -> list[str]:
        """Return the TXT records at a name, the strings of each joined."""
        records = self._ask(name, "TXT", self._seconds)
        if not records:
            raise NotPublished(
                f"there is no TXT record at {name} yet.",
                "Publish it and try again; name servers may take minutes to show it.",
            )
        return [
            b"".join(record.strings).decode("ascii", "backslashreplace")
            for record in records[:_MOST_RECORDS]
        ]

    def file(self, host: str, path: str) -> str:
        """Return what ``http://<host><path>`` holds; redirects are not followed."""
        deadline = time.monotonic() + self._seconds
        failure = "it has no usable address"
        for address in self._addresses(host, deadline):
            try:
                with self._connected(address, deadline) as sock:
                    return _fetch(sock, host, path)
            except (OSError, http.client.HTTPException) as error:
                failure = _reason(error)
        raise Unreachable(f"http://{host} did not answer: {failure}.", _AGAIN)

    def _ask(self, name: str, kind: str, seconds: float) -> list[Any]:
        try:
            # A trailing dot: the name as it is, never completed with a search domain of ours.
            answer = self._stub().resolve(
                f"{name}.", kind, lifetime=max(seconds, 0.1), search=False, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.name.NameTooLong, dns.name.LabelTooLong):
            raise Unproven(
                f"{name[:60]}… is too long a name for DNS.", "Prove it by a file: --by http"
            ) from None
        except dns.exception.Timeout:
            reason = f"no answer in {self._seconds:g} seconds"
        except dns.resolver.NoNameservers as error:
            reason = _refusals(error)
        except (dns.exception.DNSException, OSError) as error:
            reason = type(error).__name__
        else:
            return list(answer.rrset or [])
        raise Unreachable(f"DNS could not be asked about {name}: {reason}.", _AGAIN)

    def _stub(self) -> dns.resolver.Resolver:
        """A new one each time: what the system says of its name servers may change."""
        stub = dns.resolver.Resolver(configure=not self._dns_servers)
        if self._dns_servers:
            stub.nameservers = [_name_server(server) for server in self._dns_servers]
        # One that is down leaves time for the others, and for a second try.
        stub.timeout = self._seconds / 3
        stub.cache = None
        return stub

    def _addresses(self, host: str, deadline: float) -> list[Address]:
        found: list[Address] = []
        for kind in ("A", "AAAA"):
            records = self._ask(host, kind, deadline - time.monotonic())
            found += [ip_address(record.address) for record in records]
        if not found:
            raise NotPublished(
                f"{host} has no address.", "Let it lead to a web server, or prove it by DNS."
            )
        allowed = [address for address in found if self._may_connect(address)]
        if not allowed:
            raise Unproven(
                f"{host} leads to {found[0]}, which is not a public address.",
                "Let it lead to a public web server, or prove it by DNS.",
            )
        return allowed[:_MOST_ADDRESSES]

    @contextmanager
    def _connected(self, address: Address, deadline: float) -> Iterator["_BoundedSocket"]:
        place = (str(address), self._port)
        with closing(socket.create_connection(place, _left(deadline))) as sock:
            yield _BoundedSocket(sock, deadline)


def resolver() -> Resolver:
    """Return what asks for proofs in this deployment."""
    return NetworkResolver(settings.TENANTRY_DNS_SERVERS)


def _name_server(server: str) -> dns.nameserver.Nameserver:
    parts = urlsplit(f"//{server}")
    return dns.nameserver.Do53Nameserver(str(parts.hostname), parts.port or 53)


def _refusals(error: dns.resolver.NoNameservers) -> str:
    """What the servers said, such as SERVFAIL, each thing once."""
    said = {str(entry[3]) for entry in error.kwargs.get("errors", [])}
    return ", ".join(sorted(said))[:200] or "no name server answers"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, http.client.HTTPException):
        return "what it said is not HTTP"
    return (getattr(error, "strerror", "") or type(error).__name__).lower()


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class _BoundedReader(io.RawIOBase):
    """Reads a socket until the deadline, and no more bytes than an answer may have."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._left = _LONGEST_ANSWER

    def readable(self) -> bool:
        """Reading is all it can."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; 0 at the end, or when enough was read."""
        # A time-out of the socket alone would begin anew with each byte of a slow answer.
        self._sock.settimeout(_left(self._deadline))
        read = self._sock.recv_into(memoryview(buffer)[: self._left])
        self._left -= read
        return read


class _BoundedSocket:
    """As much of a socket as ``http.client`` uses."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Send it all before the deadline."""
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Return what the answer is read from."""
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline))

    def close(self) -> None:
        """Leave it open: whoever connected closes."""


def _fetch(sock: _BoundedSocket, host: str, path: str) -> str:
    """Ask for a file on a connection that is open, and return its text."""
    connection = http.client.HTTPConnection(host)
    connection.sock = sock
    headers = {"Accept": "text/plain", "Connection": "close", "User-Agent": "Tenantry"}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    url = f"http://{host}{path}"
    if answer.status in (404, 410):
        raise NotPublished(f"there is nothing at {url} yet.", "Publish the file and try again.")
    if answer.status >= 500:
        raise Unreachable(f"{url} answers {answer.status}.", _AGAIN)
    if 300 <= answer.status < 400:
        raise Unproven(
            f"{url} answers with a redirect, which is not followed.",
            "Serve the file there itself, by plain http, or prove the domain by DNS.",
        )
    if answer.status != 200:
        raise Unproven(f"{url} answers {answer.status}.", "Let everybody read the file.")
    content = answer.read(_LONGEST_FILE + 1)
    if len(content) > _LONGEST_FILE:
        raise Unproven(
            f"{url} holds more than {_LONGEST_FILE} bytes.",
            "Serve the value alone, as plain text.",
        )
    return content.decode("ascii", "backslashreplace")
