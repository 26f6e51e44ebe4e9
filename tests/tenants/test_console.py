"""The operators' console: the same functions as the command, the same refusals."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import CustomUser
from activity.models import ActivityEvent
from tenants import deletion, lifecycle, renaming
from tenants.context import enter_platform, enter_tenant, enter_unserved
from tenants.models import Blueprint, Domain, Operation, SpareSchema, Tenant
from tenants.names import new_schema_name
from tests.conftest import CANARY, PASSWORD

LIST = "/admin/tenants/tenant/"
ADD = f"{LIST}add/"
WANTED = {
    "slug": "initech",
    "name": "Initech",
    "time_zone": "Europe/Berlin",
    "domain": "People.Initech.Example",
    "admin_email": "peter@initech.example",
}


@pytest.fixture
def console(browser: Callable[..., Client], operator: CustomUser) -> Client:
    """The console, as Olga sees it."""
    return browser(None, operator)


def everything() -> tuple[Any, ...]:
    with enter_platform(), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace ORDER BY 1")
        schemas = cursor.fetchall()
        return schemas, list(Tenant.objects.values()), list(Domain.objects.values())


def test_olga_sees_every_tenant(console: Client, acme: Tenant, globex: Tenant) -> None:
    page = console.get(LIST).content.decode()

    for word in ("acme", "Globex", "acme.localhost", "globex.localhost"):
        assert word in page


def test_the_list_costs_as_much_for_many_tenants(
    console: Client, acme: Tenant, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        tenant = Tenant.objects.create(slug=f"many-{number}", name="Many", state="active")
        Domain.objects.create(tenant=tenant, domain=f"many-{number}.example", verified_at=Now())
    console.get(LIST)

    with django_assert_max_num_queries(15):
        assert "many-19.example" in console.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("query", "found"), [("acme", True), ("ACME.local", True), ("zzz", False), ("\0", True)]
)
def test_olga_finds_a_tenant_by_slug_name_or_domain(
    console: Client, acme: Tenant, query: str, found: bool
) -> None:
    response = console.get(LIST, {"q": query})

    assert response.status_code == 200
    assert ("acme.localhost" in response.content.decode()) is found


def test_olga_creates_a_tenant_as_the_command_does(console: Client, operator: CustomUser) -> None:
    response = console.post(ADD, WANTED, follow=True)

    tenant = Tenant.objects.get(slug="initech")
    page = response.content.decode()
    assert tenant.is_active
    assert tenant.time_zone == "Europe/Berlin"
    assert sorted(tenant.domains.values_list("domain", flat=True)) == [
        "initech.localhost",
        "people.initech.example",
    ]
    assert "http://initech.localhost:8000/accounts/password/reset/key/" in page
    with enter_tenant(tenant):
        assert CustomUser.objects.get().email == "peter@initech.example"
        born = ActivityEvent.objects.get(action="tenant.created")
        assert (born.actor_kind, born.actor_id) == ("person", str(operator.public_id))
    born = ActivityEvent.objects.get(action="tenant.created", target_id=str(tenant.pk))
    assert (born.actor_id, born.channel) == (str(operator.public_id), "page")
    assert Client(headers={"host": "initech.localhost"}).get("/admin/").status_code == 302


def test_olga_creates_the_first_tenant_of_a_release(console: Client, operator: CustomUser) -> None:
    """Its blueprint is made in the middle of her request."""
    with enter_platform():
        Blueprint.objects.all().delete()
        SpareSchema.objects.all().delete()

    assert console.post(ADD, WANTED).status_code == 302

    with enter_tenant(Tenant.objects.get(slug="initech")):
        born = ActivityEvent.objects.get(action="tenant.created")
    assert born.actor_id == str(operator.public_id)
    assert born.session_ref


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"slug": "Initech"}, "not usable"),
        ({"slug": "admin"}, "reserved"),
        ({"slug": "acme"}, "already exists"),
        ({"slug": "../x"}, "not usable"),
        ({"slug": "ini\0tech"}, "Null characters"),
        ({"slug": ""}, "required"),
        ({"name": "x" * 201}, "at most 200"),
        ({"name": "right\u202eto left"}, "printable"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"domain": "http://x.example"}, "without scheme"),
        ({"domain": "taken.example"}, "taken by another tenant"),
        ({"domain": "TAKEN.Example."}, "taken by another tenant"),
        ({"domain": "acme.localhost"}, "platform"),
        ({"domain": "10.0.0.1"}, "not a usable domain"),
        ({"admin_email": "peter"}, "valid email"),
        ({"admin_email": f"{'a' * 300}@x.example"}, "at most"),
    ],
    ids=str,
)
def test_the_form_refuses_what_the_command_refuses(
    console: Client, acme: Tenant, globex: Tenant, change: dict[str, str], sentence: str
) -> None:
    Domain.objects.create(tenant=globex, domain="taken.example", verified_at=Now())
    before = everything()

    response = console.post(ADD, WANTED | change)

    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert everything() == before


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"slug": "Acme Corp"}, "slug", 'The slug "Acme Corp" is not usable: '),
        ({"slug": "acme", "name": "Another"}, "slug", "Tenant with this Slug already exists."),
        ({"slug": "acme", "name": ""}, "slug", "Tenant with this Slug already exists."),
        ({"domain": "10.0.0.1"}, "domain", '"10.0.0.1" is not a usable domain'),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "There is no time zone 'Mars/Olympus'."),
    ],
    ids=str,
)
def test_what_the_form_refuses_is_said_once_beside_its_field(
    console: Client, acme: Tenant, typed: dict[str, str], field: str, sentence: str
) -> None:
    errors = console.post(ADD, WANTED | typed).context["adminform"].form.errors

    expected = {field} | ({"name"} if typed.get("name") == "" else set())
    assert set(errors) == expected
    [said] = errors[field]
    assert said.startswith(sentence)


def test_a_slug_that_was_somebodys_is_said_with_a_capital(console: Client, acme: Tenant) -> None:
    renaming.rename(acme, slug="acme-two")

    errors = console.post(ADD, WANTED | {"slug": "acme"}).context["adminform"].form.errors

    [said] = [error for field in errors.values() for error in field]
    assert said.startswith('The slug "acme" was that of the tenant "acme-two"')


def test_what_an_act_refuses_begins_with_a_capital(console: Client, acme: Tenant) -> None:
    acme.state = "provisioning"
    acme.save()

    assert "The tenant &quot;acme&quot; is provisioning, not active." in act(
        console, "suspend", acme
    )


def test_a_tenant_that_exists_already_is_not_made_again_by_the_form(
    console: Client, acme: Tenant
) -> None:
    before = everything()

    response = console.post(ADD, {"slug": "acme", "name": "Acme", "time_zone": "UTC"})

    assert response.status_code == 200
    assert everything() == before


def act(console: Client, action: str, *tenants: Tenant) -> str:
    chosen = [str(tenant.pk) for tenant in tenants]
    data = {"action": action, "_selected_action": chosen}
    return console.post(LIST, data, follow=True).content.decode()


def test_olga_suspends_and_resumes_and_it_is_recorded_as_hers(
    console: Client, acme: Tenant, globex: Tenant, operator: CustomUser
) -> None:
    assert "acme: suspended." in act(console, "suspend", acme)
    assert Client(headers={"host": "acme.localhost"}).get("/").status_code == 403
    assert "acme: already suspended." in act(console, "suspend", acme)
    assert "acme: resumed." in act(console, "resume", acme, globex)

    with enter_unserved(acme):
        theirs = list(ActivityEvent.objects.filter(action__startswith="tenant.").order_by("id"))
    assert [event.action for event in theirs][-2:] == ["tenant.suspended", "tenant.resumed"]
    for event in theirs[-2:]:
        assert (event.actor_kind, event.actor_id) == ("person", str(operator.public_id))
    acme.refresh_from_db()
    assert acme.is_active


def test_what_cannot_be_done_to_one_is_done_to_the_others(
    console: Client, acme: Tenant, globex: Tenant
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.DELETING)

    page = act(console, "suspend", acme, globex)

    assert "is deleting, not active" in page
    assert "globex: suspended." in page


@pytest.mark.parametrize("path", ["change/", "delete/"])
def test_a_tenants_row_is_not_changed_or_deleted_by_hand(
    console: Client, acme: Tenant, path: str
) -> None:
    before = everything()

    response = console.post(f"{LIST}{acme.pk}/{path}", {"post": "yes", "slug": "x", "name": "y"})

    assert response.status_code == 403
    assert everything() == before


def test_no_action_deletes_a_tenants_row(console: Client, acme: Tenant) -> None:
    before = everything()

    act(console, "delete_selected", acme)

    assert everything() == before


# Who may not


def test_a_tenants_page_says_what_was_done_to_it(
    console: Client, browser: Callable[..., Client], acme: Tenant
) -> None:
    lifecycle.suspend(acme, reason="unpaid")
    address = f"/admin/tenants/tenant/{acme.pk}/change/"

    assert "✓ suspend" in console.get(address).content.decode()

    viewer = CustomUser.objects.create_user(
        username="vera", email="vera@platform.example", password=None, is_staff=True
    )
    viewer.user_permissions.add(Permission.objects.get(codename="view_tenant"))
    assert "✓ suspend" not in browser(None, viewer).get(address).content.decode()


def test_an_operation_that_stopped_says_how_to_go_on(console: Client, acme: Tenant) -> None:
    stopped = Operation.objects.create(
        kind="purge", tenant=acme, state="failed", steps=["count"], error="<script>count</script>"
    )

    page = console.get(f"/admin/tenants/operation/{stopped.pk}/change/").content.decode()

    assert f"tenant operations --resume {stopped.pk}" in page
    assert "<script>count" not in page
    assert 'value="carry_on"' in page
    # A purge takes away: nothing could bring it back.
    assert 'value="cancel"' not in page


def test_the_page_of_an_operation_can_give_it_up(
    console: Client, browser: Callable[..., Client]
) -> None:
    with enter_platform():
        tenant = Tenant(slug="initech", name="Initech", state="provisioning")
        tenant.schema_name = new_schema_name()
        tenant.save()
    stopped = Operation.objects.create(
        kind="create", tenant=tenant, state="failed", steps=["schema"], request={"slug": "initech"}
    )
    address = f"/admin/tenants/operation/{stopped.pk}/change/"
    viewer = CustomUser.objects.create_user(
        username="vera", email="vera@platform.example", password=None, is_staff=True
    )
    viewer.user_permissions.add(Permission.objects.get(codename="view_operation"))

    assert 'value="cancel"' not in browser(None, viewer).get(address).content.decode()
    assert 'value="cancel"' in console.get(address).content.decode()
    gone = console.post(
        "/admin/tenants/operation/",
        {"action": "cancel", "_selected_action": str(stopped.pk)},
        follow=True,
    )

    assert "given up; what it had done is undone." in gone.content.decode()

    with enter_platform():
        assert not Tenant.objects.filter(slug="initech").exists()


def test_an_operator_who_may_only_look_only_looks(
    browser: Callable[..., Client], acme: Tenant, globex: Tenant
) -> None:
    from django.contrib.auth.models import Permission

    with enter_platform():
        otto = CustomUser.objects.create_user(
            "otto", "otto@platform.example", PASSWORD, is_staff=True
        )
        otto.user_permissions.add(Permission.objects.get(codename="view_tenant"))
    client = browser(None, otto)
    before = everything()

    assert client.get(LIST).status_code == 200
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, WANTED).status_code == 403
    act(client, "suspend", acme)

    assert everything() == before


def test_a_tenants_administrator_is_a_stranger_on_the_platform(
    browser: Callable[..., Client], acme: Tenant, ann: CustomUser, operator: CustomUser
) -> None:
    assert ann.pk
    client = browser(None)
    client.cookies["sessionid"] = browser(acme, ann).cookies["sessionid"].value
    before = everything()

    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})

    for path in ("/admin/", LIST, ADD, f"{LIST}{acme.pk}/change/"):
        response = client.post(path, WANTED)
        assert response.status_code == 302
        assert "login" in response["Location"]
    assert everything() == before


def test_an_operator_is_a_stranger_in_a_tenant(
    browser: Callable[..., Client], acme: Tenant, operator: CustomUser
) -> None:
    client = browser(acme)
    client.cookies["sessionid"] = browser(None, operator).cookies["sessionid"].value

    client.post("/accounts/login/", {"login": "olga", "password": PASSWORD})

    assert client.get("/admin/").status_code == 302


def test_the_console_shows_nothing_of_what_is_inside_a_tenant(
    console: Client, acme: Tenant, globex: Tenant
) -> None:
    for path in (
        "/admin/",
        LIST,
        f"{LIST}{acme.pk}/change/",
        "/admin/accounts/customuser/",
        "/admin/activity/activityevent/",
    ):
        response = console.get(path, follow=True)
        assert response.status_code == 200
        assert response.request["PATH_INFO"].startswith("/admin/")
        for canary in CANARY.values():
            assert canary not in response.content.decode()


@pytest.mark.parametrize("query", ["state=%00", "state__exact=%00", "state__exact=zzz"])
def test_a_filter_that_means_nothing_is_answered_kindly(console: Client, query: str) -> None:
    assert console.get(f"{LIST}?{query}").status_code in (200, 302, 400)


def test_the_console_writes_moments_in_one_way(
    console: Client, acme: Tenant, operator: CustomUser
) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    with enter_platform():
        CustomUser.objects.filter(pk=operator.pk).update(date_joined=now)
    deletion.schedule(acme, reason="end", grace_days=3)
    acme.refresh_from_db()

    assert f"{acme.created_at:%Y-%m-%d %H:%M}" in console.get(LIST).content.decode()
    assert (
        f"{acme.purge_after:%Y-%m-%d %H:%M}"
        in console.get(f"{LIST}{acme.pk}/deletion/").content.decode()
    )
    person = f"/admin/accounts/customuser/{operator.pk}/change/"
    assert f"{now:%Y-%m-%d %H:%M}" in console.get(person).content.decode()
