"""A name server and a web server of the tests' own, on ports that the system picks."""

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Answer = Callable[[dns.message.Message, bool], dns.message.Message | None]
"""Takes a question and whether it came by TCP; returns the answer, or ``None`` for silence."""


class NameServer:
    """Answers by zone file lines, ``name → [(type, data)]``; ``special`` names get a function."""

    def __init__(self) -> None:
        self.records: dict[str, list[tuple[str, str]]] = {}
        self.special: dict[str, Answer] = {}
        self.asked: list[tuple[str, str, bool]] = []
        self.address = ""

    def publish(self, name: str, kind: str, *data: str) -> None:
        """Hold these records of a name, beside those it has."""
        self.records.setdefault(name, []).extend((kind, one) for one in data)

    def answer(self, query: dns.message.Message, by_tcp: bool) -> dns.message.Message | None:
        """What a server that resolves for others would say."""
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = question.rdtype.name
        self.asked.append((name, kind, by_tcp))
        if name in self.special:
            return self.special[name](query, by_tcp)
        answer = dns.message.make_response(query, recursion_available=True)
        if name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._add(answer, name, kind)
        return answer

    def _add(self, answer: dns.message.Message, name: str, kind: str) -> None:
        for held, data in self.records.get(name, []):
            if held in (kind, "CNAME"):
                # Into one set for each name and type, as on the wire.
                found = [
                    rr
                    for rr in answer.answer
                    if (str(rr.name), rr.rdtype.name) == (f"{name}.", held)
                ]
                fresh = dns.rrset.from_text(f"{name}.", 60, "IN", held, data)
                if found:
                    found[0].update(fresh)
                else:
                    answer.answer.append(fresh)
            if held == "CNAME" and kind != "CNAME":
                self._add(answer, data.rstrip("."), kind)


@contextmanager
def name_server() -> Iterator[NameServer]:
    """Serve DNS on one port of 127.0.0.1, over UDP and TCP."""
    server = NameServer()

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            answer = server.answer(dns.message.from_wire(data), False)
            if answer is not None:
                sock.sendto(answer.to_wire(), self.client_address)

    class Tcp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            [length] = struct.unpack("!H", self.request.recv(2))
            answer = server.answer(dns.message.from_wire(self.request.recv(length)), True)
            if answer is not None:
                wire = answer.to_wire()
                self.request.sendall(struct.pack("!H", len(wire)) + wire)

    with _both(Udp, Tcp) as (udp, tcp):
        server.address = f"127.0.0.1:{udp.server_address[1]}"
        with _running(udp), _running(tcp):
            yield server


@contextmanager
def _both(
    udp_handler: type, tcp_handler: type
) -> Iterator[tuple[socketserver.UDPServer, socketserver.TCPServer]]:
    """One port for both: the first that the system gives for UDP may be taken for TCP."""
    for _ in range(20):
        udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), udp_handler)
        try:
            tcp = socketserver.ThreadingTCPServer(udp.server_address, tcp_handler)
        except OSError:
            udp.server_close()
            continue
        with udp, tcp:
            yield udp, tcp
        return
    raise OSError("no port is free for UDP and TCP")


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(5)


class WebServer:
    """Sends raw bytes for each request: HTTP that a library would refuse to send, too."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.pieces: list[bytes] = []
        self.pause = 0.0

    def say(self, status: str, body: str = "", *headers: str) -> None:
        """Answer so from now on."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
        self.pieces = ["\r\n".join(lines).encode()]

    def drip(self, *pieces: bytes, pause: float) -> None:
        """Answer with pieces, with a pause of so many seconds after each."""
        self.pieces, self.pause = list(pieces), pause


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Serve on a port of 127.0.0.1."""
    web = WebServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            web.requests.append(self.request.recv(65536))
            for piece in web.pieces:
                try:
                    self.request.sendall(piece)
                except OSError:
                    return
                time.sleep(web.pause)
            self.request.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        web.port = server.server_address[1]
        with _running(server):
            yield web
