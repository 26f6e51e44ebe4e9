"""Killing a process before a statement that one chooses, as ``kill -9`` does.

The script runs in a process of its own, on the scratch platform. It forks a child for each act, so
that Django is started once.
"""

import json
import subprocess
import sys
from typing import Any

from config.environment import CHECKOUT

CHILDREN = """
import json, os, signal, sys, time

import django

django.setup()

from django.db import connections
from tenants.context import enter_platform
from tenants.errors import TenantryError


def killed_before(word, occurrence, act):
    '''Run ``act``; be killed before the n-th statement that has ``word`` in it.'''
    seen = 0

    def wrapper(execute, sql, *arguments):
        nonlocal seen
        if word in (sql if isinstance(sql, str) else str(sql)):
            seen += 1
            if seen == occurrence:
                os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, *arguments)

    with enter_platform():
        with connections["default"].execute_wrapper(wrapper):
            return act()


def in_child(act):
    '''Return what ``act`` returned in a child, or the negative number of the signal it died of.'''
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writing, json.dumps(act(), default=str).encode())
        except TenantryError as error:
            os.write(writing, json.dumps(error.code).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(text) if text else os.waitstatus_to_exitcode(status)


def on_platform(act):
    '''Run ``act`` in a child; again while PostgreSQL has not noticed that another is dead.'''

    def run():
        with enter_platform():
            return act()

    for _ in range(200):
        answer = in_child(run)
        if answer != "busy":
            return answer
        time.sleep(0.05)
    return answer


def say(**found):
    print(json.dumps(found, default=str), flush=True)
"""


def answers(script: str, environment: dict[str, str], *arguments: Any) -> list[Any]:
    """Run a script behind ``CHILDREN``; return what it said."""
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN + script, *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def manage(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start ``manage.py``, with nothing on standard input."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
