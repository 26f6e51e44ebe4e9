"""Running ``manage.py`` as operators do."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.db import DatabaseError, connections

from tenants import lifecycle
from tenants.models import Tenant
from tests.tenants.archives import sample as sample
from tests.tenants.roles import as_owner as as_owner
from tests.tenants.roles import as_web as as_web
from tests.tenants.roles import roles as roles


@dataclass
class Ran:
    """What a command line led to."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)


Run = Callable[..., Ran]


@pytest.fixture
def run(db: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs ``manage.py`` with the given arguments, standard input being no terminal."""

    def run(*argv: str, stdin: str = "", command: str = "tenant") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        # Commands close their connections; the test's own has to go on.
        monkeypatch.setattr(connections, "close_all", lambda: None)
        monkeypatch.setattr("getpass.getpass", lambda *_: pytest.fail("a prompt"))
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a prompt"))
        capsys.readouterr()
        status = 0
        # Made here, so that it writes to what capsys reads.
        loaded = load_command_class(get_commands()[command], command)
        try:
            loaded.run_from_argv(["manage.py", command, *argv])
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return Ran(status, out, "\n".join(x for x in err.splitlines() if "[info" not in x))

    return run


@pytest.fixture
def broken_record() -> Iterator[None]:
    """Let the record refuse what happens to tenants."""

    def refuse(**_: Any) -> None:
        raise DatabaseError("no space left on device")

    lifecycle.changed.connect(refuse, sender=Tenant)
    yield
    lifecycle.changed.disconnect(refuse, sender=Tenant)
