"""I01, I22: every page there is, asked as everybody there is, with the other tenant's keys.

The addresses are taken from the two URLconfs, so a new page is walked without being named here. A
parameter that has no sample yet fails the test: say below what the other tenant's value for it is.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmation
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from django.utils.regex_helper import normalize

from accounts import adapter
from accounts.api_tokens import make
from accounts.invitations import link_for
from accounts.models import CustomUser
from accounts.sessions import SessionStore
from activity.api import limits
from activity.api.limits import Limit
from activity.jobs.links import token_for
from activity.models import ActivityEvent, ExportJob, Schedule
from activity.recording import record
from activity.reports import REPORTS
from activity.subjects import Subject
from tenants import support
from tenants.context import enter_platform, enter_tenant
from tenants.models import Operation, Tenant
from tenants.sites import platform_site, tenant_site
from tests.activity.rolled import put
from tests.conftest import CANARY, PASSWORD

URLCONFS = (settings.ROOT_URLCONF, settings.PUBLIC_SCHEMA_URLCONF)
PUBLIC = (
    *("/accounts/", "/admin/jsi18n/", "/.well-known/tenantry/keys"),
    *("/api/v1/schema", "/api/v1/problems/"),
)
"""What strangers may see; all else sends them to sign in, or is not there."""
ALLOWED = {200, 302, 400, 401, 403, 404, 405, 409, 429}


# What there is to find


@dataclass
class Planted:
    """Keys of one place, by model or by the name of a parameter."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    """An API token of each of the cast, by name."""

    def of(self, address: str, parameter: str) -> list[str]:
        """Return samples for a parameter of an address; fails for one that has none."""
        if parameter in ("object_id", "_0"):
            return self.keys[address.removeprefix("admin/").rpartition("/%(")[0].split("/%(")[0]]
        if parameter in ("_1", "version_id"):
            return self.keys["history"]
        return self.keys[parameter]


def _inside(place: Tenant | None) -> AbstractContextManager[Any]:
    return enter_tenant(place) if place else enter_platform()


def _plant(place: Tenant | None, canary: str) -> Planted:
    """Put a canary into everything that a page could show; return the keys that lead to it."""
    with _inside(place):
        role = Group.objects.create(name=f"Role of {canary}")
        vera = CustomUser.objects.create_user(
            username=f"vera-{canary}",
            email=f"vera@{canary}.example",
            password=PASSWORD,
            display_name=f"Vera {canary}",
            is_staff=True,
        )
        vera.groups.add(role)
        event = record(
            "user.changed",
            target=Subject("user", str(vera.public_id), f"Vera {canary}"),
            changes={"display_name": ("before", f"after {canary}"), "note": (None, canary)},
            reason=canary,
        )
        actor = ("person", str(vera.public_id), f"Vera {canary}")
        put([(timezone.localdate(), "session.started", "success", *actor, 7)])
        job = ExportJob.objects.create(
            source="events",
            asked={"filters": {"q": canary}, "form": "csv", "note": canary},
            requester_kind="person",
            requester_id=str(vera.public_id),
            requester_label=f"Vera {canary}",
            error=canary,
        )
        schedule = Schedule.objects.create(
            owner=vera,
            name=f"Schedule {canary}",
            source="events",
            form="csv",
            asked=f'{{"q":"{canary}"}}',
            span="day",
            cron="0 7 * * *",
            zone="UTC",
            delivery=Schedule.Delivery.STORAGE,
            next_at=timezone.now() + timedelta(days=1),
        )
        link = token_for(job, str(vera.public_id), until=timezone.now() + timedelta(days=1))
        address = EmailAddress.objects.create(user=vera, email=vera.email, primary=True)
        confirmation = EmailConfirmation.create(address)
        confirmation.sent = timezone.now()
        confirmation.save()
        store = SessionStore()
        store["note"] = canary
        store.create()
        cache.set("note", canary)
        token, _ = make(vera, f"Token {canary}", ["record:read"], 90)
        scopes = ["record:read", "schedules:write"]
        cast = CustomUser.objects.exclude(pk=vera.pk)
        tokens = {one.username: make(one, "cast", scopes, 90)[1] for one in cast}
        uid, _, key = link_for(vera).rstrip("/").rpartition("/")[2].partition("-")
        people = CustomUser.objects.order_by("pk")
        return Planted(
            {
                # The first has the key of the other tenant's first, the last one's is its own.
                "accounts/customuser": [str(people[0].pk), str(vera.pk)],
                "auth/group": [str(Group.objects.order_by("pk")[0].pk), str(role.pk)],
                "activity/activityevent": [str(event.pk)],
                "tenants/tenant": [str(pk) for pk in _tenants(place)],
                "tenants/operation": [str(pk) for pk in _operations(place)],
                "event_id": [str(event.pk)],
                "job": [str(job.pk)],
                "export_id": [str(job.pk)],
                "schedule_id": [str(schedule.pk)],
                "accounts/apitoken": [str(token.pk)],
                "token_id": [str(token.pk)],
                "code": ["not-found"],
                "history": [str(vera.history.first().pk)],
                "name": list(REPORTS),
                "app_label": ["tenants", "activity", "accounts", "auth"],
                "url": [f"{store.session_key}"],
                "uidb36": [uid],
                "key": [key, confirmation.key, link, str(schedule.pk)],
            },
            tokens,
        )


def _tenants(place: Tenant | None) -> list[Any]:
    with enter_platform():
        every = Tenant.objects.exclude(pk=place.pk) if place else Tenant.objects.all()
        return list(every.values_list("pk", flat=True))[:1]


def _operations(place: Tenant | None) -> list[Any]:
    with enter_platform():
        every = Operation.objects.all()
        every = every.exclude(tenant=place) if place else every
        return list(every.values_list("pk", flat=True))[:1]


# Where to go


def _walk(patterns: Any, before: str = "") -> Iterator[tuple[str, str, list[str]]]:
    """Yield each address as (name, template, parameters)."""
    for pattern in patterns:
        for template, parameters in normalize(pattern.pattern.regex.pattern):
            address = before + template
            if isinstance(pattern, URLResolver):
                assert not parameters, f"{address}: a parameter in what includes others"
                yield from _walk(pattern.url_patterns, address)
            else:
                assert isinstance(pattern, URLPattern)
                yield pattern.name or "", address, parameters


def _addresses(planted: Planted) -> list[str]:
    """Return every address of both URLconfs, with the planted keys in it."""
    paths: dict[str, None] = {}
    for urlconf in URLCONFS:
        for _, template, parameters in _walk(get_resolver(urlconf).url_patterns):
            samples = [planted.of(template, parameter) for parameter in parameters]
            for values in product(*samples):
                path = "/" + template % dict(zip(parameters, values, strict=True))
                paths[path.replace("//", "/")] = None
    return list(paths)


def _questions(path: str) -> list[str]:
    """Return a path with what can be asked of it: searches that match every canary, and files."""
    found = [path]
    if path.endswith("/activityevent/"):
        found += [f"{path}?export={form}" for form in ("csv", "ndjson")]
    searched = ("/customuser/", "/activityevent/", "/group/", "/apitoken/", "/activity/events")
    if path.endswith(searched):
        found += [f"{path}?q=canary"]
    if "/reports/" in path and path != "/admin/reports/":
        found += [f"{path}?export=csv"]
    if path.endswith("/admin/search/"):
        found += [f"{path}?s=canary"]
    if path.endswith("/autocomplete/"):
        choice = "app_label=accounts&model_name=customuser&field_name=groups&term=canary"
        found += [f"{path}?{choice}"]
    return found


def _forms(path: str, planted: Planted) -> list[dict[str, Any]]:
    """Return what to post: every action of the list, or a form that fits most pages."""
    for site in (tenant_site, platform_site):
        for model in site._registry:
            name = model._meta.label_lower.replace(".", "/")
            if path == f"/admin/{name}/":
                chosen = {"_selected_action": planted.keys[name], "post": "yes", "index": "0"}
                return [{"action": action, **chosen} for action in _actions(site, model)]
    return [{"post": "yes", "name": "x", "username": "x", "email": "x@x.example", "login": "ann"}]


def _actions(site: AdminSite, model: Any) -> list[str]:
    named = [getattr(action, "__name__", action) for action in site._registry[model].actions or ()]
    return [*dict.fromkeys([*named, "delete_selected", "no_such_action"])]


# Who goes


@dataclass
class Visitor:
    """Somebody at a host. ``session_of`` is where their cookie is from, if not from there.

    ``token_of`` is where their API token is from, if they come with that and no session. Under
    ``support`` it is an operator who acts as them.
    """

    at: str
    person: str = ""
    session_of: str = ""
    token_of: str = ""
    support: bool = False

    def __str__(self) -> str:
        session = f" with a session of {self.session_of}" if self.session_of else ""
        token = f" with a token of {self.token_of}" if self.token_of else ""
        support = " under support access" if self.support else ""
        return f"{self.person or 'nobody'} at {self.at}{session}{token}{support}"

    @property
    def is_stranger(self) -> bool:
        """Whether nothing of this place is theirs to see."""
        return not self.person or bool(self.session_of) or self.token_of not in ("", self.at)


VISITORS = [
    Visitor("acme"),
    Visitor("acme", "cleo"),
    Visitor("acme", "bob"),
    Visitor("acme", "ann"),
    Visitor("globex", "sam"),
    Visitor("acme", "ann", support=True),
    Visitor("globex", "ann", session_of="acme"),
    Visitor("acme", "sam", session_of="globex"),
    Visitor("acme", "olga", session_of="platform"),
    Visitor("platform", "ann", session_of="acme"),
    Visitor("platform"),
    Visitor("platform", "olga"),
    Visitor("acme", "ann", token_of="acme"),
    Visitor("acme", "cleo", token_of="acme"),
    Visitor("globex", "ann", token_of="acme"),
    Visitor("platform", "ann", token_of="acme"),
    Visitor("acme", "olga", token_of="platform"),
    Visitor("platform", "olga", token_of="platform"),
]


@dataclass
class Ground:
    """The three places and what is planted in each."""

    places: dict[str, Tenant | None]
    planted: dict[str, Planted]
    canaries: dict[str, str]

    def client(self, visitor: Visitor) -> Client:
        """Return the visitor's browser."""
        host = "localhost" if visitor.at == "platform" else f"{visitor.at}.localhost"
        client = Client(headers={"host": f"{host}:8000"}, raise_request_exception=False)
        if visitor.token_of:
            text = self.planted[visitor.token_of].tokens[visitor.person]
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {text}"
        elif visitor.support:
            opened = support.open_access(
                self.places[visitor.at], "olga", visitor.person, reason="looking", minutes=30
            )
            assert client.post(opened.link.partition(":8000")[2]).status_code == 302
        elif visitor.person:
            with _inside(self.places[visitor.session_of or visitor.at]):
                client.force_login(CustomUser.objects.get(username=visitor.person))
        return client

    def digest(self, slug: str) -> Any:
        """Return what changes when anything of a tenant changes."""
        tables = ("accounts_customuser", "auth_group", "accounts_membership", "django_session")
        tables = (*tables, "accounts_apitoken", "activity_activityevent", "activity_monthlytally")
        tables = (*tables, "activity_exportjob", "mfa_authenticator")
        sums = ", ".join(f"(SELECT sum(hashtext(t::text)) FROM {table} t)" for table in tables)
        with _inside(self.places[slug]), connection.cursor() as cursor:
            cursor.execute(f"SELECT {sums}")
            return cursor.fetchone()


@pytest.fixture
def ground(acme: Tenant, globex: Tenant, operator: CustomUser, no_attempts_yet: None) -> Ground:
    """Plant canaries in all places."""
    places = {"acme": acme, "globex": globex, "platform": None}
    canaries = {**CANARY, "platform": "canary-of-the-platform"}
    planted = {slug: _plant(place, canaries[slug]) for slug, place in places.items()}
    return Ground(places, planted, canaries)


def _visible(response: Any) -> str:
    """Return all that a client gets to see."""
    body = (
        b"".join(response.streaming_content)  # type: ignore[attr-defined]
        if response.streaming
        else response.content
    )
    return f"{response.headers}{response.cookies}{body.decode(errors='replace')}"


@pytest.mark.parametrize("visitor", VISITORS, ids=str)
def test_i01_nobody_finds_anything_of_another_place_on_any_page(visitor, ground, monkeypatch):
    monkeypatch.setattr(adapter.AccountAdapter, "is_open_for_signup", lambda *_: False)
    # There are more addresses than may be asked in a minute.
    for name in ("REQUESTS", "FAILURES"):
        monkeypatch.setattr(limits, name, Limit(name.lower(), 1_000_000))
    others = [slug for slug in ground.places if slug != visitor.at]
    is_stranger = visitor.is_stranger
    client = ground.client(visitor)
    cookies = copy(client.cookies)
    own = 0
    from_elsewhere = visitor.session_of or (visitor.token_of if is_stranger else "")
    for other in [from_elsewhere or others[0]]:
        planted = ground.planted[other]
        before = ground.digest(other)
        for path in _addresses(planted):
            for method, address, form in [
                *(("get", asked, {}) for asked in _questions(path)),
                *(("post", path, form) for form in _forms(path, planted)),
            ]:
                # Each visit begins with the same cookie, and leaves nothing behind.
                with transaction.atomic():
                    client.cookies = copy(cookies)
                    response = getattr(client, method)(address, form)
                    said = _visible(response)
                    changed = method == "post" and response.status_code in (200, 302)
                    after = ground.digest(other) if changed else before
                    transaction.set_rollback(True)
                what = f"{visitor}: {method} {address} {form} answers {response.status_code}"
                assert response.status_code in ALLOWED, what
                assert after == before or from_elsewhere == other, what
                for slug in others:
                    assert ground.canaries[slug] not in said, f"{what} with {slug}'s canary"
                if is_stranger and response.status_code == 200:
                    assert path.startswith(PUBLIC), what
                own += ground.canaries[visitor.at] in said
    # The eyes are open: whoever may see their own place does.
    sees = visitor.person in ("bob", "ann", "sam", "olga") and not is_stranger
    assert (own > (1 if visitor.token_of else 5)) is sees


def test_i22_pages_of_one_urlconf_are_not_on_the_other_host(ground):
    only = {"tenants/tenant": "acme", "auth/group": "platform", "reports/tenants": "acme"}
    for slug, person in (("acme", "ann"), ("platform", "olga")):
        client = ground.client(Visitor(slug, person))
        for page, missing_at in only.items():
            status = client.get(f"/admin/{page}/").status_code
            assert status == (404 if slug == missing_at else 200), (slug, page)


def test_every_page_of_both_admins_is_walked(ground):
    walked = set(_addresses(ground.planted["globex"]))
    for site in (tenant_site, platform_site):
        for model in site._registry:
            name = model._meta.label_lower.replace(".", "/")
            for key in ground.planted["globex"].keys[name]:
                for page in ("", "add/", *(f"{key}/{what}/" for what in ("change", "delete"))):
                    assert f"/admin/{name}/{page}" in walked
                assert f"/admin/{name}/{key}/history/" in walked
    assert len(walked) > 70


def test_a_page_with_a_parameter_unknown_here_would_be_missed_by_nobody(ground):
    with pytest.raises(KeyError):
        ground.planted["globex"].of("admin/new/%(secret_id)s/", "secret_id")


def test_the_eyes_see_a_leak(ground, monkeypatch):
    """Break one thing: a list that reads the neighbour's rows."""
    from accounts.admin import CustomUserAdmin

    globex = ground.places["globex"]

    def leaky(self: Any, user: Any) -> str:
        with enter_tenant(globex):
            return ", ".join(CustomUser.objects.values_list("display_name", flat=True))

    monkeypatch.setattr(CustomUserAdmin, "roles", leaky)
    with pytest.raises(AssertionError, match="canary"):
        test_i01_nobody_finds_anything_of_another_place_on_any_page(
            Visitor("acme", "ann"), ground, monkeypatch
        )


def test_sessions_and_events_are_among_what_was_planted(ground):
    for slug, place in ground.places.items():
        with _inside(place):
            assert any("note" in row.get_decoded() for row in Session.objects.all()) or place
            assert ActivityEvent.objects.filter(reason=ground.canaries[slug]).exists()
