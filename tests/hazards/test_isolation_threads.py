"""I04, I06, I11: threads of one web process serve different tenants at once, each its own.

A real gunicorn with its threads, a database of its own in which everything is committed, and two
tenants whose content types have different ids.
"""

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections

from accounts.models import CustomUser
from config.environment import CHECKOUT
from tenants.context import enter_tenant
from tenants.errors import NotInTenant
from tests.conftest import empty

THREADS = 6
SAVES = 160
OWNERS = {"alpha": "ann", "beta": "sam"}

CAST = """
import django; django.setup()
from django.db import connection, transaction
from accounts.models import CustomUser
from tenants.context import enter_tenant, start_on_platform
from tenants.provisioning import create
from tenants.requests import TenantRequest
start_on_platform()
for slug, owner in {owners!r}.items():
    with enter_tenant(create(TenantRequest(slug=slug, name=slug.title())).tenant):
        CustomUser.objects.create_superuser(owner, owner + "@x.example", {password!r},
                                            display_name="canary-of-" + slug)
        for number in range(8):
            CustomUser.objects.create_user("person%d" % number, "p%d@x.example" % number)
        if slug == "beta":
            with transaction.atomic(), connection.cursor() as cursor:
                for table, column in (("django_content_type", "id"),
                                      ("auth_permission", "content_type_id")):
                    cursor.execute(f"UPDATE {{table}} SET {{column}} = {{column}} + 1000")
"""
COUNT = """
import django, json, sys; django.setup()
from django.contrib.contenttypes.models import ContentType
from accounts.models import CustomUser
from activity.models import ActivityEvent
from tenants.context import enter_tenant, start_on_platform
from tenants.models import Tenant
start_on_platform()
said = {}
for tenant in list(Tenant.objects.filter(slug__in=["alpha", "beta"])):
    with enter_tenant(tenant):
        changes = list(ActivityEvent.objects.filter(action="user.changed"))
        said[tenant.slug] = {
            "names": sorted(n for e in changes for n in [e.changes["display_name"][1]]),
            "actors": sorted({e.actor_label for e in changes}),
            "history": CustomUser.history.filter(history_type="~").count(),
            "people": dict(CustomUser.objects.values_list("username", "display_name")),
            "type": ContentType.objects.get(model="customuser").pk,
        }
print(json.dumps(said))
"""


class Unix(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


class Browser:
    """Somebody signed in at one tenant, over real HTTP."""

    def __init__(self, server: Path, slug: str, password: str) -> None:
        self._server = server
        self._host = f"{slug}.localhost:8000"
        self._cookies: dict[str, str] = {}
        self.slug = slug
        form = {"login": OWNERS[slug], "password": password}
        status, _ = self.post("/accounts/login/", form)
        assert status == 302

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        connection = Unix(self._server)
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Host": self._host, "Cookie": cookie}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(form) if form else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        for header in response.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(header).items():
                self._cookies[name] = morsel.value
        connection.close()
        return response.status, text

    def get(self, path: str) -> tuple[int, str]:
        return self.ask("GET", path)

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        status, page = self.get(path)
        assert status == 200, (status, page[:500])
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page[:500]
        return self.ask("POST", path, form | {"csrfmiddlewaretoken": token[1]})


def _python(program: str, environment: dict[str, str]) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def password() -> str:
    return secrets.token_urlsafe(16)


@pytest.fixture
def server(scratch_platform: dict[str, str], scratch: Any, password: str) -> Iterator[Path]:
    """Serve the scratch platform with one process of six threads."""
    _python(CAST.format(owners=OWNERS, password=password), scratch_platform)
    room = Path(tempfile.mkdtemp(prefix="tenantry-threads-", dir="/tmp"))
    address = room / "web.sock"
    command = [
        *(sys.executable, "-m", "gunicorn", "config.wsgi:application"),
        *(f"--bind=unix:{address}", "--workers=1", "--worker-class=gthread"),
        *(f"--threads={THREADS}", "--no-control-socket", "--log-level=warning"),
    ]
    log = (room / "log").open("w")
    web = subprocess.Popen(
        command, cwd=CHECKOUT, env=scratch_platform, stdout=log, stderr=log, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while not address.exists() and web.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        yield address
        assert "Traceback" not in (room / "log").read_text()
    finally:
        os.killpg(web.pid, signal.SIGTERM)
        web.wait(60)
        log.close()
        shutil.rmtree(room)
        scratch.execute("SELECT schema_name FROM tenants_tenant")
        for (schema,) in scratch.fetchall():
            scratch.execute(f'DROP SCHEMA "{schema}" CASCADE')
        empty(scratch, "tenants_tenant")


def test_i11_threads_of_one_process_save_and_read_in_the_right_tenant(
    server: Path, scratch_platform: dict[str, str], password: str
) -> None:
    browsers = {slug: Browser(server, slug, password) for slug in OWNERS}
    _, page = browsers["alpha"].get("/admin/accounts/customuser/")
    keys = re.findall(r"/admin/accounts/customuser/(\d+)/change/", page)
    assert len(set(keys)) == 9
    mine = [key for key in dict.fromkeys(keys) if key != "1"]

    # Each person of each tenant is saved by one thread at a time, so that each save is a change.
    locks = {(slug, key): threading.Lock() for slug in OWNERS for key in mine}

    def save(job: tuple[int, str, str]) -> list[str]:
        number, slug, key = job
        own, other = browsers[slug], next(name for name in OWNERS if name != slug)
        problems = []
        with locks[slug, key]:
            status, _ = own.post(
                f"/admin/accounts/customuser/{key}/change/",
                {
                    "username": f"person{int(key) - 2}",
                    "email": f"p{int(key) - 2}@x.example",
                    "display_name": f"{slug} {number:03}",
                    "is_active": "on",
                },
            )
        if status != 302:
            problems.append(f"{job} was answered {status}")
        path = ("/admin/accounts/customuser/", "/admin/activity/activityevent/", "/")[number % 3]
        status, text = own.get(path)
        if status != 200 or f"canary-of-{slug}" not in text:
            problems.append(f"{job}: {path} {status} is not {slug}'s")
        if f"canary-of-{other}" in text or f"{other} 0" in text:
            problems.append(f"{job}: {path} shows {other}")
        return problems

    jobs = [
        (number, slug, key)
        for number, slug, key in zip(range(SAVES), cycle(OWNERS), _each_twice(mine), strict=False)
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        problems = [problem for found in pool.map(save, jobs) for problem in found]

    assert problems == []
    said = json.loads(_python(COUNT, scratch_platform).splitlines()[-1])
    assert said["beta"]["type"] == said["alpha"]["type"] + 1000
    for slug, owner in OWNERS.items():
        wanted = sorted(f"{slug} {number:03}" for number, where, _ in jobs if where == slug)
        assert said[slug]["names"] == wanted
        assert len(wanted) == SAVES // 2
        assert said[slug]["actors"] == [f"canary-of-{slug} ({owner})"]
        assert said[slug]["history"] == SAVES // 2
        shown = [name for who, name in said[slug]["people"].items() if who != owner]
        assert all(name.startswith(slug) for name in shown)


def _each_twice(keys: list[str]) -> Iterator[str]:
    """Yield each key for both tenants in turn."""
    for key in cycle(keys):
        yield from (key, key)


def test_i04_sessions_of_two_tenants_do_not_mix_in_threads(server: Path, password: str) -> None:
    browsers = [Browser(server, slug, password) for slug in OWNERS for _ in range(3)]

    def read(number: int) -> str:
        browser = browsers[number % len(browsers)]
        status, text = browser.get("/")
        return f"{browser.slug} {status} {re.findall(r'canary-of-(?:alpha|beta)', text)[:1]}"

    with ThreadPoolExecutor(THREADS) as pool:
        seen = set(pool.map(read, range(120)))

    assert seen == {f"{slug} 200 ['canary-of-{slug}']" for slug in OWNERS}


def test_i06_a_thread_that_is_started_in_a_tenant_is_nowhere(acme: Any) -> None:
    refused: list[Any] = []

    def ask() -> None:
        try:
            list(CustomUser.objects.all())
        except NotInTenant as error:
            refused.append(error)
        finally:
            connections.close_all()

    with enter_tenant(acme):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    assert len(refused) == 1
