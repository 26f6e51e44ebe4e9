"""A tenant that is called otherwise: the old name leads to it, and to nobody else, for good."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.invitations import link_for
from accounts.models import CustomUser
from activity.models import ActivityEvent
from tenants import domains, hosts, lifecycle, provisioning, renaming
from tenants.context import current_tenant, enter_platform, enter_tenant
from tenants.errors import Conflict, InvalidInput
from tenants.models import Domain, FormerSlug, Operation, Tenant
from tests.conftest import PASSWORD
from tests.tenants.conftest import Run

Recorded = Callable[..., list[ActivityEvent]]


def ask(host: str, path: str = "/accounts/login/", method: str = "get", **data: Any) -> Any:
    return getattr(Client(headers={"host": host}), method)(path, **data)


def states(tenant: Tenant) -> dict[str, str]:
    return {domain.domain: domains.state_of(domain) for domain in domains.domains_of(tenant)}


def everything() -> tuple[Any, ...]:
    """All that renaming may write."""
    with enter_platform():
        return (
            list(Tenant.objects.order_by("pk").values()),
            list(Domain.objects.order_by("pk").values()),
            list(FormerSlug.objects.order_by("pk").values()),
            list(Operation.objects.order_by("pk").values("id")),
            list(ActivityEvent.objects.order_by("id").values("id")),
        )


def test_slug_and_default_host_change_and_nothing_else(acme: Tenant) -> None:
    done = renaming.rename(acme, "acme-group")

    now = Tenant.objects.get(pk=acme.pk)
    assert (done.changed, done.former_slug, done.tenant) == (True, "acme", now)
    assert (now.slug, now.name) == ("acme-group", "Acme")
    assert (now.schema_name, now.state) == (acme.schema_name, acme.state)
    assert states(now) == {"acme-group.localhost": "primary", "acme.localhost": "redirects"}
    assert [former.slug for former in now.former_slugs.all()] == ["acme"]
    assert "Acme" in ask("acme-group.localhost").content.decode()


def test_the_name_can_change_with_it_or_alone(acme: Tenant) -> None:
    renaming.rename(acme, "acme-group", name=" Acme Group ")
    assert Tenant.objects.get(pk=acme.pk).name == "Acme Group"

    done = renaming.rename(acme, "acme-group", name="The Acme Group")

    assert done.changed
    assert Tenant.objects.get(pk=acme.pk).name == "The Acme Group"
    assert states(acme) == {"acme-group.localhost": "primary", "acme.localhost": "redirects"}


def test_what_is_called_so_already_is_left_as_it_is(acme: Tenant) -> None:
    before = everything()

    assert not renaming.rename(acme, "acme").changed
    assert not renaming.rename(acme, "acme", name="Acme").changed

    assert everything() == before


# The old address


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete", "options"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin/accounts/customuser/?q=a%20b&q=%C3%BC&page=2",
        "/accounts/login/?next=//evil.example/",
        "//evil.example/",
        "/%0d%0aSet-Cookie:%20a=b",
        "/%E4%BD%A0/%ff",
        "/" + "x" * 5000,
    ],
    ids=lambda path: path[:30],
)
def test_the_old_host_redirects_to_the_same_page(acme: Tenant, method: str, path: str) -> None:
    renaming.rename(acme, "acme-group")

    response = ask("acme.localhost:1234", path, method)

    assert response.status_code == 308
    location = response.headers["Location"]
    assert location.startswith("http://acme-group.localhost:8000/")
    assert location.isascii()
    assert location.isprintable()
    assert not response.cookies
    assert response.content == b""
    assert response.headers["Cache-Control"] == "no-store"
    if "?" in path:
        assert location == f"http://acme-group.localhost:8000{path}"


def test_what_the_client_says_of_hosts_does_not_get_into_the_redirect(acme: Tenant) -> None:
    renaming.rename(acme, "acme-group")
    forged = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}

    response = Client(headers={"host": "ACME.localhost.:99", **forged}).get("/x?host=evil.example")

    assert response.headers["Location"] == "http://acme-group.localhost:8000/x?host=evil.example"


def test_the_old_host_looks_at_no_session_and_no_person(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser, django_assert_num_queries: Any
) -> None:
    client = browser(acme, ann)
    renaming.rename(acme, "acme-group")
    assert client.get("/admin/").status_code == 308

    with django_assert_num_queries(0):
        assert client.get("/admin/").status_code == 308
    assert current_tenant() is None


def test_the_old_host_leads_to_the_primary_one_whichever_that_is(acme: Tenant) -> None:
    renaming.rename(acme, "acme-group")
    domains.add(acme, "people.acme.example", vouched=True)
    domains.make_primary(acme, "people.acme.example")

    for host in ("acme.localhost",):
        assert ask(host).headers["Location"].startswith("http://people.acme.example:8000/")
    assert ask("acme-group.localhost").status_code == 200


def test_a_custom_primary_domain_stays_primary(acme: Tenant) -> None:
    domains.add(acme, "people.acme.example", vouched=True)
    domains.make_primary(acme, "people.acme.example")

    renaming.rename(acme, "acme-group")

    assert states(acme) == {
        "people.acme.example": "primary",
        "acme-group.localhost": "served",
        "acme.localhost": "redirects",
    }


def test_the_old_host_of_a_suspended_tenant_is_suspended_too(acme: Tenant) -> None:
    renaming.rename(acme, "acme-group")
    lifecycle.suspend(acme)

    assert ask("acme.localhost").status_code == 403


def test_a_former_host_cannot_be_primary_or_removed(acme: Tenant) -> None:
    renaming.rename(acme, "acme-group")

    with pytest.raises(Conflict, match="only redirects"):
        domains.make_primary(acme, "acme.localhost")
    with pytest.raises(Conflict, match="follows from the slug"):
        domains.remove(acme, "acme.localhost")


def test_people_sign_in_again_at_the_new_address(
    acme: Tenant, browser: Callable[..., Client], ann: CustomUser
) -> None:
    """A cookie belongs to one host; the browser does not send it to another."""
    cookie = browser(acme, ann).cookies["sessionid"]
    renaming.rename(acme, "acme-group")

    assert not cookie["domain"]
    response = ask("acme-group.localhost", "/admin/", follow=True)
    assert response.request["PATH_INFO"] == "/accounts/login/"


# Links


def test_links_in_mail_name_the_new_address(
    acme: Tenant, browser: Callable[..., Client], bob: CustomUser, mailoutbox: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    renaming.rename(acme, "acme-group")
    client = Client(headers={"host": "acme-group.localhost:8000"})

    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/password/reset/", {"email": bob.email})

    [mail] = mailoutbox
    assert "http://acme-group.localhost:8000/accounts/password/reset/key/" in mail.body
    assert "acme.localhost" not in mail.body


def test_a_link_that_was_mailed_before_leads_to_the_same_page_and_works(
    acme: Tenant, bob: CustomUser
) -> None:
    with enter_tenant(acme):
        link = link_for(bob).removeprefix("http://acme.localhost:8000")
    renaming.rename(acme, "acme-group")

    moved = ask("acme.localhost:8000", link)
    assert moved.headers["Location"] == f"http://acme-group.localhost:8000{link}"
    client = Client(headers={"host": "acme-group.localhost:8000"})
    page = client.get(link, follow=True)
    assert page.status_code == 200
    client.post(
        page.request["PATH_INFO"],
        {"password1": "a new one, and long", "password2": "a new one, and long"},
    )
    with enter_tenant(Tenant.objects.get(pk=acme.pk)):
        bob.refresh_from_db()
        assert bob.check_password("a new one, and long")


# Names that are taken


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("Acme-Group", "not usable"),
        ("../x", "not usable"),
        ("a", "not usable"),
        ("", "not usable"),
        ("acme\0", "not usable"),
        ("admin", "reserved"),
        ("pg-1", "reserved"),
    ],
)
def test_a_slug_that_could_not_be_created_cannot_be_taken(
    acme: Tenant, wanted: str, sentence: str
) -> None:
    before = everything()

    with pytest.raises(InvalidInput, match=sentence):
        renaming.rename(acme, wanted)

    assert everything() == before


@pytest.mark.parametrize("name", ["x" * 201, "right\u202eto left", "two\nlines", "\0", "  \t "])
def test_a_name_that_is_not_usable_is_refused(acme: Tenant, name: str) -> None:
    before = everything()

    with pytest.raises(InvalidInput, match="the name is not usable"):
        renaming.rename(acme, "acme-group", name=name)

    assert everything() == before


def test_the_slug_of_another_tenant_is_refused(acme: Tenant, globex: Tenant) -> None:
    before = everything()

    with pytest.raises(Conflict, match='"globex" is taken by the tenant "Globex"'):
        renaming.rename(acme, "globex")

    assert everything() == before


def test_a_former_slug_of_another_tenant_is_refused(acme: Tenant, globex: Tenant) -> None:
    renaming.rename(acme, "acme-group")
    before = everything()

    with pytest.raises(Conflict, match='was that of the tenant "acme-group" and stays reserved'):
        renaming.rename(globex, "acme")

    assert everything() == before
    assert hosts.answer_for("acme.localhost").tenant == acme


def test_a_tenant_takes_its_former_slug_back(acme: Tenant) -> None:
    renaming.rename(acme, "acme-group")
    assert ask("acme.localhost").status_code == 308

    assert renaming.rename(acme, "acme").changed

    assert states(acme) == {"acme.localhost": "primary", "acme-group.localhost": "redirects"}
    assert [former.slug for former in acme.former_slugs.all()] == ["acme-group"]
    assert ask("acme.localhost").status_code == 200
    assert ask("acme-group.localhost").headers["Location"].startswith("http://acme.localhost:8000/")


def test_all_former_slugs_stay_reserved(acme: Tenant, globex: Tenant) -> None:
    for slug in ("second", "third", "fourth", "second"):
        renaming.rename(acme, slug)

    assert {former.slug for former in acme.former_slugs.all()} == {"acme", "third", "fourth"}
    for slug in ("acme", "second", "third", "fourth"):
        with pytest.raises(Conflict):
            renaming.rename(globex, slug)
    for slug in ("acme", "third", "fourth"):
        assert ask(f"{slug}.localhost").headers["Location"].startswith("http://second.localhost")


def test_of_a_tenant_on_its_way_out_the_name_stays(acme: Tenant) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.DELETING)

    with pytest.raises(Conflict, match="Only a tenant that is active or suspended"):
        renaming.rename(acme, "acme-group")


def test_a_slug_is_refused_to_all_but_its_tenant(acme: Tenant, globex: Tenant) -> None:
    renaming.rename(acme, "acme-group")

    for slug in ("acme", "acme-group"):
        renaming.refuse_taken_slug(slug, for_tenant=acme)
        for other in (None, globex):
            with pytest.raises(Conflict):
                renaming.refuse_taken_slug(slug, for_tenant=other)
    renaming.refuse_taken_slug("free")


def test_a_slug_that_is_given_up_at_this_moment_is_not_free(lab: Tenant) -> None:
    """Somebody writes the slug while a renaming that gives it up is not committed yet."""
    given_up, waiting = threading.Event(), threading.Event()
    slug = lab.slug

    def take() -> str:
        try:
            assert given_up.wait(60)
            waiting.set()
            with enter_platform(), transaction.atomic():
                # Waits here for the renaming to commit.
                other = Tenant.objects.create(slug=slug, name="Other")
                renaming.refuse_taken_slug(slug, for_tenant=other)
        except Conflict as error:
            return error.message
        else:
            return "taken"
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(take)
        with enter_platform(), transaction.atomic():
            renaming.rename(lab, f"{slug}-new")
            given_up.set()
            assert waiting.wait(60)
            _wait_until_somebody_waits()
        message = other.result(timeout=60)

    assert (
        message
        == f'the slug "{slug}" was that of the tenant "{slug}-new" and stays reserved for it.'
    )


def _wait_until_somebody_waits() -> None:
    with connection.cursor() as cursor:
        for _ in range(1200):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.05)")
    pytest.fail("nobody waits")


# Recorded, rehearsed


def test_it_is_in_both_records_with_before_and_after(acme: Tenant, recorded: Recorded) -> None:
    renaming.rename(acme, "acme-group", name="Acme Group")

    [own] = recorded(acme, "tenant.renamed")
    with enter_platform():
        platforms = ActivityEvent.objects.get(action="tenant.renamed")
    for event in (own, platforms):
        assert event.changes == {"slug": ["acme", "acme-group"], "name": ["Acme", "Acme Group"]}
        assert (event.target_id, event.outcome) == (str(acme.pk), "success")
    done = Operation.objects.get(kind="rename")
    assert (done.state, done.request["before"]["slug"]) == ("finished", "acme")


def test_without_its_event_nothing_changes(acme: Tenant) -> None:
    def refuse(**_: Any) -> None:
        raise OSError("no space left on device")

    before = everything()
    lifecycle.changed.connect(refuse, sender=Tenant)
    try:
        with pytest.raises(OSError, match="no space left"):
            renaming.rename(acme, "acme-group")
    finally:
        lifecycle.changed.disconnect(refuse, sender=Tenant)

    assert everything() == before
    assert ask("acme.localhost").status_code == 200


def test_a_rehearsal_changes_nothing(acme: Tenant, globex: Tenant) -> None:
    before = everything()

    assert renaming.rename(acme, "acme-group", dry_run=True).changed
    with pytest.raises(Conflict):
        renaming.rename(acme, "globex", dry_run=True)

    assert everything() == before


# The command


def test_the_command_renames_and_says_so(run: Run, acme: Tenant) -> None:
    ran = run("rename", "acme", "acme-group", "--name", "Acme Group")

    assert ran.status == 0
    assert ran.stdout.splitlines() == [
        "renamed acme to acme-group (Acme Group)",
        "  http://acme-group.localhost:8000/admin/",
        "The old address redirects. People sign in again at the new one.",
    ]
    again = run("rename", "acme-group", "acme-group")
    assert (again.status, again.stdout) == (0, "already called so: acme-group (Acme Group)\n")
    document = run("show", "acme-group", "--json").document
    assert (document["former_slugs"], document["redirects"]) == (["acme"], ["acme.localhost"])
    assert document["url"] == "http://acme-group.localhost:8000/admin/"


def test_the_command_rehearses(run: Run, acme: Tenant) -> None:
    before = everything()

    document = run("rename", "acme", "acme-group", "--dry-run", "--json").document
    assert (document["changed"], document["dry_run"], document["former_slug"]) == (
        True,
        True,
        "acme",
    )
    assert document["tenant"]["slug"] == "acme-group"
    assert (
        run("rename", "acme", "acme-group", "--dry-run").stdout
        == "would rename acme to acme-group\n"
    )

    assert everything() == before


@pytest.mark.parametrize("verb", ["show", "suspend", "rename"])
def test_a_former_slug_is_refused_and_todays_is_named(run: Run, acme: Tenant, verb: str) -> None:
    renaming.rename(acme, "acme-group")
    before = everything()

    ran = run(verb, "acme", *(["other"] if verb == "rename" else []))

    assert ran.status == 3
    assert 'error: the tenant "acme" was renamed. It is called acme-group now.' in ran.stderr
    assert everything() == before


def test_a_tenant_is_not_created_under_a_former_slug(run: Run, acme: Tenant) -> None:
    renaming.rename(acme, "acme-group")
    before = everything()

    for more in ((), ("--dry-run",)):
        ran = run("create", "acme", *more)
        assert ran.status == 4
        assert 'was that of the tenant "acme-group" and stays reserved' in ran.stderr

    assert everything() == before


def test_the_console_does_not_create_a_tenant_under_a_former_slug(
    acme: Tenant, browser: Callable[..., Client], operator: CustomUser
) -> None:
    renaming.rename(acme, "acme-group")
    console = browser(None, operator)
    before = everything()

    page = console.post(
        "/admin/tenants/tenant/add/", {"slug": "acme", "name": "Acme", "time_zone": "UTC"}
    )

    assert "stays reserved" in page.content.decode()
    assert everything() == before


def test_a_former_slug_is_refused_when_it_is_given_up_while_a_tenant_is_made(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looked free before the tenant's row was written is looked at again afterwards."""
    renaming.rename(acme, "acme-group")
    monkeypatch.setattr(provisioning, "existing", lambda request: None)

    with pytest.raises(Conflict, match="stays reserved"):
        provisioning.create(provisioning.TenantRequest(slug="acme"))

    assert not Tenant.objects.filter(slug="acme").exists()


def test_ann_signs_in_at_the_new_address(acme: Tenant, ann: CustomUser) -> None:
    renaming.rename(acme, "acme-group")
    client = Client(headers={"host": "acme-group.localhost"})

    assert (
        client.post("/accounts/login/", {"login": "ann", "password": PASSWORD}).status_code == 302
    )
    assert client.get("/admin/").status_code == 200
