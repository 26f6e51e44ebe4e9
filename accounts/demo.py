"""The demo tenants: two organisations with a little life in them.

Everything happens through the doors that people use: tenants are provisioned, people are added in
the panel and choose their passwords by the link they are sent, sign in, mistype, change and export.
Nothing is written into the record by hand, so the demo shows what the product really does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.administrators import OFFICE
from accounts.invitations import link_for
from accounts.models import CustomUser
from activity import rollups
from activity.sealing import sealer
from tenants import provisioning
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict
from tenants.hosts import absolute_url, primary_host
from tenants.models import Tenant
from tenants.requests import TenantRequest

PASSWORD: Final = "tenantry demo password"  # noqa: S105 (printed for everybody, refused in production)
OPERATOR: Final = "olga"
ROLE: Final = "Auditors"


@dataclass(frozen=True, kw_only=True)
class DemoPerson:
    """Somebody of a demo tenant."""

    username: str
    name: str
    is_staff: bool = False
    is_auditor: bool = False
    leaves: bool = False


@dataclass(frozen=True, kw_only=True)
class DemoTenant:
    """A demo tenant, its administrator and its other people."""

    slug: str
    name: str
    time_zone: str
    administrator: DemoPerson
    people: tuple[DemoPerson, ...]


TENANTS: Final = (
    DemoTenant(
        slug="acme",
        name="Acme Inc.",
        time_zone="Europe/Berlin",
        administrator=DemoPerson(username="ann", name="Ann Lee"),
        people=(
            DemoPerson(username="bob", name="Bob Ray", is_staff=True, is_auditor=True),
            DemoPerson(username="cleo", name="Cleo Diaz"),
            DemoPerson(username="dan", name="Dan Wu", leaves=True),
        ),
    ),
    DemoTenant(
        slug="globex",
        name="Globex Corporation",
        time_zone="America/New_York",
        administrator=DemoPerson(username="sam", name="Sam Okoye"),
        people=(
            DemoPerson(username="tess", name="Tess Novak", is_staff=True, is_auditor=True),
            DemoPerson(username="uwe", name="Uwe Krause"),
        ),
    ),
)


class Visitor:
    """A browser on one tenant's host."""

    def __init__(self, tenant: Tenant) -> None:
        self.client = Client(
            headers={"host": primary_host(tenant), "user-agent": "Tenantry demo"},
            REMOTE_ADDR="127.0.0.1",
        )

    def post(self, path: str, fields: dict[str, Any]) -> None:
        """Send a form that must be accepted: accepted forms redirect."""
        response = self.client.post(path, fields)
        if response.status_code != HTTPStatus.FOUND:
            raise Conflict(
                f"the demo's form at {path} was not accepted.",
                "Somebody has made these tenants their own: rename or remove what is in the way.",
            )

    def sign_in(self, username: str) -> None:
        """Sign in with the demo password."""
        self.post(reverse("account_login"), {"login": username, "password": PASSWORD})

    def mistype(self, username: str) -> None:
        """Fail to sign in."""
        fields = {"login": username, "password": "not the password"}
        self.client.post(reverse("account_login"), fields)

    def sign_out(self) -> None:
        """Sign out."""
        self.post(reverse("account_logout"), {})

    def choose_password(self, link: str) -> None:
        """Follow the link of a mail and choose the demo password."""
        path = link.partition("://")[2].partition("/")[2]
        form = self.client.get(f"/{path}").headers["Location"]
        self.post(form, {"password1": PASSWORD, "password2": PASSWORD})


def seed() -> Iterator[str]:
    """Make what is missing of the demo, yielding a line for each thing made or left alone.

    Safe to repeat, and after an interruption: it goes on where it stopped. What somebody has made
    of a demo tenant stays: people who were removed are not added again.
    """
    with enter_platform():
        if not CustomUser.objects.filter(username=OPERATOR).exists():
            CustomUser.objects.create_superuser(OPERATOR, "olga@platform.example", PASSWORD)
            yield "made an operator of the platform"
    for demo in TENANTS:
        try:
            yield from _seed_tenant(demo)
        except Conflict as conflict:
            yield f"left {demo.slug} alone: {conflict}"


def _seed_tenant(demo: DemoTenant) -> Iterator[str]:
    request = TenantRequest(slug=demo.slug, name=demo.name, time_zone=demo.time_zone)
    tenant = provisioning.create(request).tenant
    if not tenant.is_active:
        return
    with enter_tenant(tenant):
        ever = set(CustomUser.history.values_list("username", flat=True))
    chief = demo.administrator
    if chief.username not in ever:
        OFFICE.appoint(tenant, chief.username, f"{chief.username}@{demo.slug}.example", PASSWORD)
        yield f"made {demo.slug}"
    missing = [person for person in demo.people if person.username not in ever]
    if missing:
        _live(tenant, chief, missing)
        yield f"made {len(missing)} people of {demo.slug}, and what they do"


def _live(tenant: Tenant, chief: DemoPerson, missing: list[DemoPerson]) -> None:
    office = Visitor(tenant)
    office.mistype(chief.username)
    office.sign_in(chief.username)
    office.post(reverse("home"), {"display_name": chief.name, "time_zone": ""})
    role = _role(tenant, office)
    for person in missing:
        _add(tenant, office, person, role)
        visitor = Visitor(tenant)
        visitor.choose_password(_link(tenant, person))
        visitor.sign_in(person.username)
        if person.is_auditor:
            _read(visitor)
        visitor.sign_out()
    for person in missing:
        if person.leaves:
            _deactivate(tenant, office, person)
    Visitor(tenant).mistype("somebody")
    with enter_tenant(tenant):
        sealer.seal_now()
        rollups.fold_now()


def _role(tenant: Tenant, office: Visitor) -> int:
    with enter_tenant(tenant):
        role = Group.objects.filter(name=ROLE).first()
        permissions = Permission.objects.filter(
            codename__in=["view_activityevent", "view_customuser"]
        ).values_list("pk", flat=True)
        fields = {"name": ROLE, "permissions": list(permissions)}
    if role is None:
        office.post(reverse("admin:auth_group_add"), fields)
        with enter_tenant(tenant):
            role = Group.objects.get(name=ROLE)
    return role.pk


def _add(tenant: Tenant, office: Visitor, person: DemoPerson, role: int) -> None:
    fields: dict[str, Any] = {
        "username": person.username,
        "email": f"{person.username}@{tenant.slug}.example",
        "display_name": person.name,
        "time_zone": "",
    }
    if person.is_staff:
        fields["is_staff"] = "on"
    if person.is_auditor:
        fields["roles"] = [role]
    office.post(reverse("admin:accounts_customuser_add"), fields)


def _link(tenant: Tenant, person: DemoPerson) -> str:
    with enter_tenant(tenant):
        return link_for(CustomUser.objects.get(username=person.username))


def _read(auditor: Visitor) -> None:
    """Look at the record and take a report home."""
    auditor.client.get(reverse("admin:activity_activityevent_changelist"))
    answer = auditor.client.get(reverse("report", args=["sign-ins"]), {"export": "csv"})
    b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def _deactivate(tenant: Tenant, office: Visitor, person: DemoPerson) -> None:
    with enter_tenant(tenant):
        key = CustomUser.objects.get(username=person.username).pk
    office.post(
        reverse("admin:accounts_customuser_changelist"),
        {"action": "deactivate", "_selected_action": [key]},
    )


def doors() -> Iterator[tuple[str, str]]:
    """Yield the demo's addresses and who signs in there."""
    yield absolute_url("/admin/"), f"{OPERATOR} (operator of the platform)"
    for demo in TENANTS:
        with enter_platform():
            tenant = Tenant.objects.filter(slug=demo.slug, name=demo.name).first()
        if tenant is None:
            continue
        auditors = [person.username for person in demo.people if person.is_auditor]
        people = f"{demo.administrator.username} (administrator), {', '.join(auditors)} (auditor)"
        yield absolute_url("/admin/", tenant), people


def mail_directory() -> str:
    """Return where the demo's mail ends up, empty when it goes to a mail server."""
    return str(getattr(settings, "EMAIL_FILE_PATH", "") or "")
