"""A closed-loop client: a few connections, each sending its next request when it has its answer.

One process per connection and nothing but a socket in it, so that it takes as little as possible
of the CPU that is being measured. The server (gunicorn's sync worker) closes after each answer,
so each request is a connection, as it is behind a proxy without keep-alive.
"""

import os
import signal
import socket
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from benchmarks.ground import BenchmarkError
from config.processes import follow_parent

CONNECTIONS = 4


def fetch(address: Path, request: bytes) -> bytes:
    """Return the answer to one request."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(address))
        client.sendall(request)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    return answer


def drive(address: Path, requests: Sequence[bytes], *, count: int) -> float:
    """Send about ``count`` requests, taken in turn, over all connections; return the seconds.

    Raises ``BenchmarkError`` when an answer is anything but 200.
    """
    waiting, starter = os.pipe()
    complaints, complaining = os.pipe()
    each = count // CONNECTIONS
    children = []
    try:
        for number in range(CONNECTIONS):
            # Each begins elsewhere, so that tenants alternate on the server too.
            mine = list(islice(cycle(requests), number, number + each))
            child = _fork(address, mine, waiting, starter, complaining)
            children.append(child)
        os.close(complaining)
        complaining = -1
        started = time.perf_counter()
        os.close(starter)
        starter = -1
        said = _read_all(complaints)
        elapsed = time.perf_counter() - started
    except BaseException:
        for child in children:
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        for child in children:
            os.waitpid(child, 0)
        for descriptor in (waiting, starter, complaints, complaining):
            if descriptor != -1:
                os.close(descriptor)
    if said:
        raise BenchmarkError(f"The server answered: {said.decode(errors='replace')[:2000]}")
    return elapsed


def _fork(
    address: Path, requests: list[bytes], waiting: int, starter: int, complaining: int
) -> int:
    us = os.getpid()
    child = os.fork()
    if child:
        return child
    # From here on we are the child, and never return.
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        follow_parent(us, signal.SIGKILL)
        os.close(starter)
        os.read(waiting, 1)  # Returns when the parent closes the other end.
        for request in requests:
            answer = fetch(address, request)
            if answer[9:12] != b"200":
                os.write(complaining, answer[:1000] or b"nothing")
                break
    except BaseException as error:
        os.write(complaining, repr(error).encode())
    finally:
        os._exit(0)


def _read_all(descriptor: int) -> bytes:
    said = b""
    while chunk := os.read(descriptor, 65536):
        said += chunk
    return said
