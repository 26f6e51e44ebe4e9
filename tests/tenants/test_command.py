"""``manage.py tenant``: what operators and their scripts rely on."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.test import Client

from accounts.models import CustomUser
from activity.models import ActivityEvent
from config.environment import CHECKOUT
from tenants import lifecycle
from tenants.context import enter_platform, enter_tenant
from tenants.models import Domain, Tenant
from tests.conftest import empty
from tests.tenants.conftest import Run

PASSWORD = "a garden full of ripe quinces"


def everything() -> tuple[Any, ...]:
    """All that a command could change."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace ORDER BY 1")
        schemas = cursor.fetchall()
    with enter_platform():
        tenants = list(Tenant.objects.values())
        inside = []
        for tenant in Tenant.objects.active():
            with enter_tenant(tenant):
                inside.append((list(CustomUser.objects.values()), ActivityEvent.objects.count()))
        return (
            schemas,
            tenants,
            list(Domain.objects.values()),
            inside,
            # That something was tried and given up is recorded.
            ActivityEvent.objects.exclude(action="operation.cancelled").count(),
        )


# create


@pytest.mark.parametrize(
    ("command", "argv", "sentence"),
    [
        ("tenant", ["list", "--state", "suspended"], "No tenant is suspended."),
        (
            "tenant",
            ["list", "--state", "deletion_scheduled"],
            "No tenant is scheduled for deletion.",
        ),
        ("tenant", ["operations"], "Nothing is unfinished."),
        ("tenant", ["support", "list", "acme"], "There is no support access."),
        ("account", ["token", "list", "--tenant", "acme"], "There are no tokens."),
        ("activity", ["schedule", "list", "--tenant", "acme"], "There are no schedules."),
        ("activity", ["exports", "list", "--tenant", "acme"], "There are no exports."),
        ("activity", ["hold", "--tenant", "acme"], "There are no holds."),
        ("activity", ["events", "--tenant", "acme", "--until", "2001-01-01"], "Nothing in this"),
        ("activity", ["report", "exports", "--tenant", "acme"], "Nothing in this period."),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_that_a_list_is_empty_is_no_data(
    run: Run, acme: Tenant, command: str, argv: list[str], sentence: str
) -> None:
    ran = run(*argv, command=command)

    assert (ran.status, ran.stdout) == (0, "")
    assert ran.stderr.startswith(sentence)
    assert sentence not in run(*argv, "--json", command=command).stderr


def test_create_says_what_was_made_and_where(run: Run) -> None:
    ran = run("create", "initech", "--name", "Initech", "--admin-email", "peter@initech.example")

    assert ran.status == 0
    assert ran.stderr == ""
    assert "created initech" in ran.stdout
    assert "http://initech.localhost:8000/admin/" in ran.stdout
    assert "peter <peter@initech.example> is now an administrator" in ran.stdout
    assert "One-time link" in ran.stdout


def test_create_again_is_done_already(run: Run) -> None:
    run("create", "initech", "--name", "Initech")
    before = everything()

    ran = run("create", "initech", "--name", "Initech")

    assert ran.status == 0
    assert "exists already" in ran.stdout
    assert everything() == before


def test_create_answers_one_document(run: Run) -> None:
    ran = run(
        "create",
        "initech",
        "--domain=People.Initech.Example",
        "--domain=hr.initech.example",
        "--timezone=Europe/Berlin",
        "--admin-email=peter@initech.example",
        "--json",
    )

    assert ran.status == 0
    tenant = ran.document["tenant"]
    assert ran.document["created"] is True
    assert ran.document["administrator"]["email"] == "peter@initech.example"
    assert ran.document["administrator"]["link"].startswith("http://initech.localhost:8000/")
    assert tenant["slug"] == "initech"
    assert tenant["state"] == "active"
    assert tenant["time_zone"] == "Europe/Berlin"
    assert sorted(tenant["domains"]) == [
        "hr.initech.example",
        "initech.localhost",
        "people.initech.example",
    ]
    assert tenant["id"] == str(Tenant.objects.get(slug="initech").pk)


def test_the_link_of_create_lets_the_administrator_in(run: Run) -> None:
    link = run("create", "initech", "--admin-email=peter@initech.example", "--json").document[
        "administrator"
    ]["link"]
    path = link.removeprefix("http://initech.localhost:8000")
    browser = Client(headers={"host": "initech.localhost:8000"})

    form = browser.get(path, follow=True).request["PATH_INFO"]
    browser.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    browser.post("/accounts/login/", {"login": "peter", "password": PASSWORD})

    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("argv", "status", "sentence"),
    [
        (["create", "Acme"], 2, "Try: acme"),
        (["create", "ACME"], 2, "is not usable"),
        (["create", "../x"], 2, "is not usable"),
        (["create", "acme corp"], 2, "Try: acme-corp"),
        (["create", "admin"], 2, "is reserved"),
        (["create", "1234"], 2, "starting with a letter"),
        (["create", ""], 2, "is not usable"),
        (["create", "initech", "--timezone", "Berlin"], 2, "there is no time zone 'Berlin'"),
        (["create", "initech", "--admin-email", "peter"], 2, "'peter' is not a usable e-mail"),
        (["create", "initech", "--domain", "http://x.example"], 2, "without scheme"),
        (["create", "initech", "--domain", "x.localhost"], 2, "is the platform's own"),
        (["create", "initech", "--name", "a\nb"], 2, "printable"),
        (["create", "initech", "--domain", "taken.example"], 4, "is taken by another tenant"),
        (["create", "initech", "--domain", "TAKEN.Example."], 4, "is taken by another tenant"),
        (["create", "acme", "--name", "Somebody else"], 4, "is taken by the tenant"),
        (["show", "acm"], 3, "Did you mean acme?"),
        (["show", "zzz"], 3, "manage.py tenant list"),
        (["show", "1"], 3, "there is no tenant"),
        (["show", "public"], 3, "there is no tenant"),
        (["show", "x" * 100_000], 3, "there is no tenant"),
        (["suspend", "nobody"], 3, "there is no tenant"),
        (["resume", "nobody"], 3, "there is no tenant"),
        (["superuser", "nobody", "--username=x", "--email=x@x.example"], 3, "there is no tenant"),
        (["superuser", "acme", "--username=x", "--email=x"], 2, "not a usable e-mail"),
        (["superuser", "acme", "--username=a b", "--email=x@x.example"], 2, "Enter a valid user"),
        (["superuser", "acme", "--username=cleo", "--email=new@x.example"], 4, "somebody else"),
        (["superuser", "acme", "--username=x", "--email=ANN@acme.example"], 4, "somebody else"),
        (["superuser", "acme", "--username=ann", "--email=bob@acme.example"], 4, "somebody else"),
        ([], 2, "VERB"),
        (["creat", "initech"], 2, "Did you mean create?"),
        (["create"], 2, "slug"),
        (["create", "initech", "--admin-emial", "x@x.example"], 2, "Did you mean --admin-email?"),
        (["create", "initech", "--dryrun"], 2, "Did you mean --dry-run?"),
        (["suspend", "acme", "--reasn", "x"], 2, "Did you mean --reason?"),
        (["create", "initech", "globex"], 2, "unrecognized arguments"),
        (["list", "--state", "suspend"], 2, "Did you mean suspended?"),
        (["superuser", "acme", "--email=x@x.example"], 2, "--username"),
        (["superuser", "acme", "--username=x", "--email=x@x.example", "--password=x"], 2, "--pass"),
        (["suspend", "--all"], 2, "required: slug"),
        (["suspend", "--schema=1"], 2, "required: slug"),
        (["superuser", "--schema=1", "--username=x", "--email=x@x.example"], 2, "required: slug"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_refused_with_a_sentence_and_a_status(
    run: Run, acme: Tenant, globex: Tenant, argv: list[str], status: int, sentence: str
) -> None:
    Domain.objects.create(tenant=globex, domain="taken.example", verified_at=Now())
    before = everything()

    ran = run(*argv)

    assert (ran.status, ran.stdout) == (status, "")
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr) < 700
    assert everything() == before


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["create", "Acme", "--json"], "invalid-input"),
        (["show", "nobody", "--json"], "not-found"),
        (["create", "acme", "--name=Other", "--json"], "conflict"),
    ],
)
def test_a_refusal_is_one_document_too(run: Run, acme: Tenant, argv: list[str], code: str) -> None:
    ran = run(*argv)

    assert ran.document["error"]["code"] == code
    assert ran.document["error"]["message"]
    assert ran.document["error"]["message"] in ran.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["create", "initech", "--domain=x.example", "--admin-email=peter@initech.example"],
        ["create", "acme"],
        ["suspend", "acme", "--reason=unpaid"],
        ["resume", "acme"],
        ["superuser", "acme", "--username=cleo", "--email=cleo@acme.example"],
        ["superuser", "acme", "--username=new", "--email=new@acme.example"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_dry_run_changes_nothing(
    run: Run, acme: Tenant, argv: list[str], form: list[str]
) -> None:
    before = everything()

    ran = run(*argv, "--dry-run", *form)

    assert ran.status == 0
    assert ran.stderr == ""
    assert "would" in ran.stdout or ran.document["dry_run"] is True
    assert everything() == before


def test_a_dry_run_refuses_what_would_be_refused(run: Run, acme: Tenant) -> None:
    assert run("create", "acme", "--name=Other", "--dry-run").status == 4
    assert run("create", "Acme", "--dry-run").status == 2
    assert run("suspend", "nobody", "--dry-run").status == 3


@pytest.mark.parametrize("state", ["provisioning", "deletion_scheduled"])
@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_a_dry_run_of_a_move_refuses_what_the_move_refuses(
    run: Run, acme: Tenant, verb: str, state: str
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    really = run(verb, "acme")
    rehearsed = run(verb, "acme", "--dry-run")

    assert really.status == rehearsed.status == 4


def test_what_a_database_error_quotes_does_nothing_to_the_terminal(run: Run, acme: Tenant) -> None:
    def refuse(**_: Any) -> None:
        raise DatabaseError('invalid value: "größer\x1b[2J\x9b1m\u202e"')

    lifecycle.changed.connect(refuse, sender=Tenant)
    try:
        ran = run("suspend", "acme")
    finally:
        lifecycle.changed.disconnect(refuse, sender=Tenant)

    assert ran.status == 1
    assert r'"größer\x1b[2J\x9b1m\u202e"' in ran.stderr


@pytest.mark.parametrize("verb", [("show", "acme"), ("list",)], ids=" ".join)
def test_what_a_name_holds_does_nothing_to_the_terminal(
    run: Run, acme: Tenant, verb: tuple[str, ...]
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(name="Größer\x1b[2J")

    ran = run(*verb)

    assert ran.status == 0
    assert r"Größer\x1b[2J" in ran.stdout


def test_an_interrupted_create_is_undone_and_says_so(run: Run) -> None:
    def press_ctrl_c(**_: Any) -> None:
        raise KeyboardInterrupt

    before = everything()
    lifecycle.changed.connect(press_ctrl_c, sender=Tenant)
    try:
        ran = run("create", "initech", "--admin-email=peter@initech.example")
    finally:
        lifecycle.changed.disconnect(press_ctrl_c, sender=Tenant)

    assert ran.status == 130
    assert "undone" in ran.stderr
    assert everything() == before


# list and show


def test_list_has_a_line_for_each_tenant(run: Run, acme: Tenant, globex: Tenant) -> None:
    lifecycle.suspend(globex)

    ran = run("list")

    assert ran.status == 0
    assert [line.split("\t") for line in ran.stdout.splitlines()] == [
        ["acme", "Active", "Acme", "acme.localhost"],
        ["globex", "Suspended", "Globex", "globex.localhost"],
    ]
    assert [t["slug"] for t in run("list", "--json").document] == ["acme", "globex"]
    assert [t["slug"] for t in run("list", "--state=suspended", "--json").document] == ["globex"]


def test_list_on_a_terminal_shows_a_name_as_it_is(
    run: Run, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(name="Acme [/x] [red]Inc.")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    ran = run("list", "--no-color")

    assert ran.status == 0
    assert "Acme [/x] [red]Inc." in ran.stdout


def test_list_of_many_costs_no_query_for_each(
    run: Run, acme: Tenant, globex: Tenant, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(4):
        run("list", "--json")


def test_list_without_tenants_says_what_to_do(run: Run) -> None:
    Tenant.objects.all().delete()

    assert "manage.py tenant create" in run("list").stderr
    assert run("list").stdout == ""
    assert run("list", "--json").document == []


def test_show_knows_a_tenant_by_its_slug_in_any_case(run: Run, acme: Tenant) -> None:
    ran = run("show", " ACME ")

    assert ran.status == 0
    for value in (str(acme.pk), acme.schema_name, "acme.localhost", "active"):
        assert value in ran.stdout
    assert run("show", "acme", "--json").document["schema_name"] == acme.schema_name


def test_a_tenant_without_a_domain_does_not_hide_the_others(
    run: Run, acme: Tenant, globex: Tenant
) -> None:
    acme.domains.all().delete()

    assert [t["slug"] for t in run("list", "--json").document] == ["acme", "globex"]
    assert run("show", "acme").status == 0


# suspend and resume


def test_suspend_and_resume_say_what_happened_and_are_done_once(run: Run, acme: Tenant) -> None:
    assert run("suspend", "acme", "--reason", "invoice 42").stdout == "suspended acme\n"
    assert run("suspend", "acme").stdout.startswith("already")
    acme.refresh_from_db()
    assert acme.state == Tenant.State.SUSPENDED

    assert run("resume", "acme", "--json").document["changed"] is True
    assert run("resume", "acme", "--json").document["changed"] is False
    acme.refresh_from_db()
    assert acme.is_active
    event = ActivityEvent.objects.get(action="tenant.suspended", target_id=str(acme.pk))
    assert (event.reason, event.actor_kind, event.channel) == ("invoice 42", "command", "command")


# superuser


def signed_in(host: str, login: str, password: str) -> bool:
    browser = Client(headers={"host": host})
    browser.post("/accounts/login/", {"login": login, "password": password})
    return browser.get("/admin/").status_code == 200


def test_superuser_makes_somebody_who_can_sign_in_there_and_nowhere_else(
    run: Run, acme: Tenant, globex: Tenant
) -> None:
    ran = run(
        "superuser",
        "acme",
        "--username=Dora",
        "--email=Dora@Acme.Example",
        "--password-stdin",
        stdin=f"{PASSWORD}\n",
    )

    assert ran.status == 0
    assert "dora <dora@acme.example> is now an administrator" in ran.stdout
    assert "link" not in ran.stdout
    assert signed_in("acme.localhost", "dora", PASSWORD)
    assert signed_in("acme.localhost", "DORA@acme.example", PASSWORD)
    assert not signed_in("globex.localhost", "dora", PASSWORD)
    assert not signed_in("localhost", "dora", PASSWORD)


def test_superuser_without_a_terminal_prints_a_one_time_link(run: Run, acme: Tenant) -> None:
    ran = run("superuser", "acme", "--username=dora", "--email=dora@acme.example", "--json")

    assert ran.status == 0
    assert ran.document["administrator"]["link"].startswith("http://acme.localhost:8000/accounts/")
    assert ran.document["administrator"]["created"] is True


def test_a_password_never_leaves_the_command(run: Run, acme: Tenant) -> None:
    argv = ["superuser", "acme", "--username=dora", "--email=dora@acme.example"]

    for form in ([], ["--json"]):
        ran = run(*argv, "--password-stdin", *form, stdin=f"{PASSWORD}\n")
        assert PASSWORD not in ran.stdout + ran.stderr
    with enter_tenant(acme):
        assert not any(
            PASSWORD in str(row) for row in ActivityEvent.objects.values_list("changes", "details")
        )


def test_somebody_who_works_there_becomes_administrator_and_keeps_their_password(
    run: Run, acme: Tenant, cleo: CustomUser
) -> None:
    ran = run("superuser", "acme", "--username=cleo", "--email=cleo@acme.example")

    assert "is now an administrator" in ran.stdout
    with enter_tenant(acme):
        cleo_now = CustomUser.objects.get(pk=cleo.pk)
        events = ActivityEvent.objects.filter(action="user.privileges_changed")
        assert events.filter(target_id=str(cleo.public_id)).exists()
    assert cleo_now.is_superuser
    assert cleo_now.password == cleo.password
    again = run("superuser", "acme", "--username=cleo", "--email=cleo@acme.example")
    assert "was already an administrator" in again.stdout


def test_a_password_that_is_replaced_is_not_replaced_in_silence(
    run: Run, acme: Tenant, ann: CustomUser
) -> None:
    who = ("superuser", "acme", "--username=ann", "--email=ann@acme.example")

    assert "password" not in run(*who).stdout
    given = run(*who, "--password-stdin", stdin="five blue pencils in a drawer\n")
    assert "The password is the one that was given now." in given.stdout


@pytest.mark.parametrize("name", ["localtime", "posixrules", "posix/UTC", "right/UTC"])
def test_a_time_zone_that_only_python_knows_is_refused(run: Run, acme: Tenant, name: str) -> None:
    assert run("create", "initech", f"--timezone={name}").status == 2


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        ("", "standard input held no password"),
        ("\n", "standard input held no password"),
        ("short\n", "too short"),
        ("password1234\n", "too common"),
        ("dora@acme.example\n", "too similar"),
        ("x" * 5000 + "\n", ""),
    ],
    ids=["nothing", "empty", "short", "common", "own address", "endless"],
)
def test_a_password_that_is_no_good_is_refused(
    run: Run, acme: Tenant, stdin: str, sentence: str
) -> None:
    before = everything()

    ran = run(
        "superuser",
        "acme",
        "--username=dora",
        "--email=dora@acme.example",
        "--password-stdin",
        stdin=stdin,
    )

    assert ran.status == 2
    assert sentence in ran.stderr
    assert len(ran.stderr) < 700
    assert everything() == before


def test_superuser_in_a_suspended_tenant_is_refused(run: Run, acme: Tenant) -> None:
    lifecycle.suspend(acme)
    before = everything()

    ran = run("superuser", "acme", "--username=dora", "--email=dora@acme.example")

    assert ran.status == 1
    assert "suspended" in ran.stderr
    assert everything() == before


def test_a_command_does_not_enter_a_schema_that_is_another_tenants(
    run: Run, acme: Tenant, globex: Tenant
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {acme.schema_name} IS 'tenantry:{globex.pk}'")
    before = everything()

    ran = run("superuser", "acme", "--username=dora", "--email=dora@acme.example")

    assert ran.status == 1
    assert everything() == before


# Called from Python, as scripts do


def test_from_python_a_refusal_is_an_error_with_the_same_status(acme: Tenant) -> None:
    with pytest.raises(CommandError, match="Did you mean acme") as refusal:
        call_command("tenant", "show", "acm")

    assert refusal.value.returncode == 3


# As a process


def manage(environment: dict[str, str], *argv: str, stdin: bytes = b"") -> Any:
    return subprocess.run(
        [sys.executable, "manage.py", *argv],
        cwd=CHECKOUT,
        env=environment,
        input=stdin,
        capture_output=True,
        timeout=60,
        start_new_session=True,
    )


def test_as_a_process_stdout_is_one_document_and_stderr_is_for_people(
    scratch_platform: dict[str, str], scratch: Any
) -> None:
    created = manage(scratch_platform, "tenant", "create", "process", "--json")
    refused = manage(scratch_platform, "tenant", "create", "process", "--name=x", "--json")

    scratch.execute("SELECT schema_name FROM tenants_tenant WHERE slug = 'process'")
    schema = scratch.fetchone()[0]
    assert (created.returncode, created.stderr) == (0, b"")
    assert json.loads(created.stdout)["tenant"]["schema_name"] == schema
    assert refused.returncode == 4
    assert json.loads(refused.stdout)["error"]["code"] == "conflict"
    assert refused.stderr.decode().startswith("error: the slug")
    scratch.execute(f"DROP SCHEMA {schema} CASCADE")
    empty(scratch, "tenants_tenant")


def test_as_a_process_a_password_that_is_no_text_is_refused(
    scratch_platform: dict[str, str], scratch: Any
) -> None:
    manage(scratch_platform, "tenant", "create", "process")

    refused = manage(
        scratch_platform,
        *("tenant", "superuser", "process", "--username=x", "--email=x@x.example"),
        "--password-stdin",
        stdin=b"\xff\xfe\xfd correct horse battery\n",
    )

    assert refused.returncode == 2
    assert refused.stdout == b""
    assert b"Traceback" not in refused.stderr
    scratch.execute("SELECT schema_name FROM tenants_tenant WHERE slug = 'process'")
    scratch.execute(f"DROP SCHEMA {scratch.fetchone()[0]} CASCADE")
    empty(scratch, "tenants_tenant")


def test_as_a_process_a_database_that_is_not_there_is_one_sentence(
    scratch_platform: dict[str, str],
) -> None:
    elsewhere = {**scratch_platform, "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}

    failed = manage(elsewhere, "tenant", "list")

    assert failed.returncode == 1
    assert failed.stdout == b""
    assert len(failed.stderr.decode().splitlines()) == 1
    assert "DATABASE_URL" in failed.stderr.decode()


# What django-tenants offers and Tenantry does not


@pytest.mark.parametrize(
    "command",
    [
        "create_tenant",
        "delete_tenant",
        "clone_tenant",
        "rename_schema",
        "create_tenant_superuser",
        "create_domain",
        "delete_domain",
        "create_missing_schemas",
        "tenant_command",
        "all_tenants_command",
        "collectstatic_schemas",
    ],
)
@pytest.mark.parametrize(
    "argv", [[], ["--help"], ["--schema=1", "shell"], ["--schema_name=x", "--noinput"]], ids=str
)
def test_commands_that_bypass_tenantry_name_what_to_use(
    run: Run, acme: Tenant, command: str, argv: list[str]
) -> None:
    before = everything()

    ran = run(*argv, command=command)

    assert (ran.status, ran.stdout) == (2, "")
    assert re.search(r"Use `manage\.py .*manage\.py tenant|Use `manage\.py tenant", ran.stderr)
    assert everything() == before
    with pytest.raises(CommandError, match=r"manage\.py tenant"):
        call_command(command)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "> /dev/full"])
@pytest.mark.parametrize(
    "verb", ["list", "list --json", "superuser nobody --username=x --email=x@x.example"]
)
def test_as_a_process_a_stream_that_is_closed_or_full_is_no_traceback(
    scratch_platform: dict[str, str], closed: str, verb: str
) -> None:
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "{sys.executable}" manage.py tenant {verb} {closed}'],
        cwd=CHECKOUT,
        env=scratch_platform,
        capture_output=True,
        timeout=60,
    )

    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("interrupt", "status", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGINT)", 130, "interrupted\n"),
        ("atexit.register(os.kill, os.getpid(), signal.SIGINT)", 0, ""),
    ],
    ids=["while it loads", "when all is done"],
)
def test_ctrl_c_is_no_traceback_before_and_after_the_work(
    tmp_path: Path, interrupt: str, status: int, said: str
) -> None:
    (tmp_path / "interrupted_settings.py").write_text(
        "import atexit, os, signal\n"
        "from config.settings.test import *\n"
        # Whoever is started in the background of a shell ignores it, and so do its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{interrupt}\n"
    )
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "interrupted_settings",
    }
    ran = subprocess.run(
        [sys.executable, CHECKOUT / "manage.py", "version"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (status, said)
