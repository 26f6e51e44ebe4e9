"""The whole product, as ``make up`` runs it, and a real browser in front of it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# What keeps a browser from talking to anybody but the page, and lets root start it.
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DEMO_PASSWORD = "tenantry demo password"


@dataclass(frozen=True)
class Running:
    """A running Tenantry with its demo tenants."""

    port: int
    environment: dict[str, str]
    process: "subprocess.Popen[bytes]"

    def url(self, slug: str, path: str = "/") -> str:
        return f"http://{slug}.localhost:{self.port}{path}"

    @property
    def data(self) -> Path:
        return Path(self.environment["TENANTRY_DATA"])

    def is_ready(self) -> bool:
        """Ask whether database, migrations, Redis and a worker are there."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as it:
                return bool(it.status == 200)
        except OSError:
            return False

    def wait_until_ready(self, log: Path | None = None) -> None:
        """Wait, two minutes at most, until everything is there."""
        for _ in range(600):
            if self.is_ready():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        pytest.fail(log.read_text() if log else "not ready within two minutes")

    def manage(self, *arguments: str) -> str:
        """Run a command in a second terminal; return what it printed."""
        finished = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def up(directory: Path, **variables: str) -> Iterator[Running]:
    """Start everything on data of its own below ``directory``; end it as Ctrl-C does."""
    port = _free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "PYTEST_"))}
    environment = {
        **{k: v for k, v in inherited.items() if k not in ("DATABASE_URL", "REDIS_URL")},
        "DJANGO_SETTINGS_MODULE": "config.settings.development",
        "PORT": str(port),
        "TENANTRY_DATA": str(directory / "data"),
        "TENANTRY_AGGREGATE_SECONDS": "2",
        **variables,
    }
    log = directory / "up.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.runner"],
            cwd=CHECKOUT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        running = Running(port, environment, process)
        try:
            running.wait_until_ready(log)
            yield running
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run everything for all journeys."""
    with up(tmp_path_factory.mktemp("up")) as started:
        yield started


# Not for the session: while a browser is open its event loop runs in the main thread, and Django
# refuses to ask the database there.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Open Debian's Chromium; without it the journeys are skipped, but never in CI."""
    if CHROMIUM is None:
        message = "no Chromium is installed (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    # As long as a slow machine needs: what is there is found at once.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield opened
        opened.close()
