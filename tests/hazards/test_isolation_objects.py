"""I02: what was made for one tenant is good in no other, whatever it is and however it is used.

Ann of Acme and Sam of Globex have the same key, so what forgets where it is from finds the other.
"""

import copy
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django import forms
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connections, models, router, transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, Subquery, prefetch_related_objects
from django.forms import modelform_factory
from django.utils import timezone

from accounts.models import CustomUser, Membership
from tenants import places, provenance, remembering
from tenants.context import enter_platform, enter_tenant
from tenants.errors import TenantMismatch
from tenants.models import Tenant
from tests.conftest import CANARY

People = CustomUser.objects


@pytest.fixture
def tables_of_globex(globex: Tenant) -> Iterator[None]:
    """Compare every row of Globex's people and roles before and after the test."""

    def rows() -> list[Any]:
        models_ = (CustomUser, Group, Membership, Session, Group.permissions.through)
        with enter_tenant(globex):
            return [list(model._base_manager.order_by("pk").values()) for model in models_]

    before = rows()
    yield
    assert rows() == before


@contextmanager
def bare_libraries() -> Iterator[None]:
    """Do without what is tested: Django and django-tenants as they are."""
    remembering.uninstall()
    try:
        yield
    finally:
        remembering.install()


# Query sets

USES: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "bool": bool,
    "len": len,
    "iterator": lambda people: list(people.iterator()),
    "iterator in chunks": lambda people: list(people.iterator(chunk_size=1)),
    "index": lambda people: people[0],
    "slice": lambda people: list(people[:1]),
    "first": lambda people: people.first(),
    "get": lambda people: people.get(username="sam"),
    "in_bulk": lambda people: people.in_bulk(),
    "earliest": lambda people: people.earliest("pk"),
    "values": lambda people: list(people.values()),
    "values_list": lambda people: list(people.values_list("email", flat=True)),
    "dates": lambda people: list(people.dates("date_joined", "year")),
    "count": lambda people: people.count(),
    "exists": lambda people: people.exists(),
    "contains": lambda people: people.contains(CustomUser(pk=1)),
    "aggregate": lambda people: people.aggregate(Count("pk")),
    "annotate": lambda people: list(people.annotate(Count("groups"))),
    "explain": lambda people: people.explain(),
    "update": lambda people: people.update(display_name="gone"),
    "delete": lambda people: people.delete(),
    "create": lambda people: people.create(username="new", email="new@x.example"),
    "get_or_create": lambda people: people.get_or_create(username="n", email="n@x.example"),
    "update_or_create": lambda people: people.update_or_create(username="sam"),
    "bulk_create": lambda people: people.bulk_create([CustomUser(username="n", email="n@x.y")]),
    "bulk_update": lambda people: people.bulk_update([CustomUser(pk=1)], ["email"]),
    "filter": lambda people: list(people.filter(is_staff=True)),
    "exclude": lambda people: list(people.exclude(is_staff=False)),
    "using": lambda people: list(people.using("default")),
    "defer": lambda people: list(people.defer("email")),
    "select_for_update": lambda people: list(people.select_for_update()),
    "prefetch_related": lambda people: list(people.prefetch_related("groups")),
    "reverse": lambda people: list(people.reverse()),
    "raw": lambda people: list(people.raw("SELECT * FROM accounts_customuser")),
    "as a subquery": lambda people: list(CustomUser.objects.filter(pk__in=people)),
    "as Subquery": lambda people: list(
        CustomUser.objects.annotate(name=Subquery(people.values("display_name")[:1]))
    ),
    "as Exists": lambda people: list(
        CustomUser.objects.filter(Exists(people.filter(pk=OuterRef("pk"))))
    ),
    "deep in a subquery": lambda people: CustomUser.objects.filter(
        pk__in=CustomUser.objects.filter(pk__in=people.values("pk")).values("pk")
    ).count(),
    "as Prefetch": lambda people: list(
        Group.objects.prefetch_related(Prefetch("user_set", people))
    ),
    "or": lambda people: list(CustomUser.objects.all() | people),
    "or, the other way": lambda people: list(people | CustomUser.objects.all()),
    "and": lambda people: list(CustomUser.objects.all() & people),
    "union": lambda people: list(CustomUser.objects.all().union(people)),
    "intersection": lambda people: list(people.intersection(CustomUser.objects.all())),
    "pickled": lambda people: list(pickle.loads(pickle.dumps(people.query)) and people.all()),
    "deepcopy": lambda people: list(copy.deepcopy(people)),
    "acount": lambda people: async_to_sync(people.acount)(),
    "aget": lambda people: async_to_sync(people.aget)(username="sam"),
    "aiterator": lambda people: async_to_sync(_read_async)(people),
    "admin form field": lambda people: list(forms.ModelChoiceField(people).choices),
}


async def _read_async(people: Any) -> list[Any]:
    return [person async for person in people]


@pytest.mark.usefixtures("tables_of_globex")
@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_i02_a_query_set_made_in_one_tenant_is_refused_in_another(use, acme, globex):
    with enter_tenant(acme):
        people = People.order_by("pk")
    with enter_tenant(globex), pytest.raises(TenantMismatch):
        use(people)


# The platform has no roles, for which anything could be prefetched.
@pytest.mark.parametrize("name", sorted({*USES} - {"as Prefetch"}))
def test_i02_on_the_platform_it_is_refused_as_well(name, acme):
    with enter_tenant(acme):
        people = People.order_by("pk")
    with enter_platform(), pytest.raises(TenantMismatch):
        USES[name](people)


def test_i02_a_query_set_of_the_platform_is_refused_in_a_tenant(acme):
    with enter_platform():
        operators = People.all()
    with enter_tenant(acme), pytest.raises(TenantMismatch):
        list(operators)


def test_i02_it_is_good_again_where_it_was_made(acme, globex):
    with enter_tenant(acme):
        people = People.filter(is_superuser=True)
    with enter_tenant(globex), pytest.raises(TenantMismatch):
        list(people)
    with enter_tenant(acme):
        assert [person.username for person in people] == ["ann"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: People.raw("SELECT * FROM accounts_customuser"),
        lambda: People.raw("SELECT * FROM accounts_customuser").using("default"),
        lambda: People.using("default").raw("SELECT * FROM accounts_customuser"),
        lambda: People.raw("SELECT * FROM accounts_customuser").prefetch_related("groups"),
        lambda: pickle.loads(pickle.dumps(People.all())),
        lambda: People.using("default"),
        lambda: People.db_manager("default").all(),
        lambda: CustomUser._base_manager.all(),
        lambda: Session.objects.all(),
        lambda: ContentType.objects.all(),
        lambda: Permission.objects.select_related("content_type"),
        lambda: CustomUser.history.all(),
        lambda: CustomUser.history.as_of(timezone.now()),
    ],
)
def test_i02_so_is_every_other_kind_of_query_set(make, acme, globex):
    with enter_tenant(acme):
        made = make()
    with enter_tenant(globex), pytest.raises(TenantMismatch):
        list(made)


def test_i02_rows_that_were_read_are_not_handed_out_elsewhere(acme, globex):
    with enter_tenant(acme):
        people = People.all()
        assert len(people) == 3
        ann = people[0]
    ann._state.db = None
    for use in (
        *(list, len, bool, repr, pickle.dumps),
        *(lambda rows: rows[0], lambda rows: rows.count(), lambda rows: rows.exists()),
        *(lambda rows: rows.contains(ann), lambda rows: next(rows.iterator())),
    ):
        with enter_tenant(globex), pytest.raises(TenantMismatch):
            use(people)


def test_i02_a_query_set_from_a_cache_is_refused_in_another_tenant(acme, globex):
    with enter_tenant(acme):
        frozen = pickle.dumps(People.all())
    with enter_tenant(globex):
        people = pickle.loads(frozen)
        with pytest.raises(TenantMismatch):
            list(people)
        with pytest.raises(TenantMismatch):
            list(people.all())


def test_i02_a_generator_goes_on_with_the_rows_of_where_it_began(acme, globex):
    with enter_tenant(acme):
        people = People.order_by("pk").iterator(chunk_size=1)
        first = next(people)
    with enter_tenant(globex):
        rest = list(people)
    assert [first.username, *(person.username for person in rest)] == ["ann", "bob", "cleo"]
    assert {provenance.made_in(person) for person in rest} == {acme.schema_name}


# Instances

ACTS: dict[str, Callable[[Any], Any]] = {
    "save": lambda ann: ann.save(),
    "save some fields": lambda ann: ann.save(update_fields=["display_name"]),
    "save, naming the database": lambda ann: ann.save(using="default"),
    "save as new": lambda ann: ann.save(force_insert=True),
    "save_base": lambda ann: ann.save_base(raw=True, using="default"),
    "asave": lambda ann: async_to_sync(ann.asave)(),
    "delete": lambda ann: ann.delete(),
    "delete, naming the database": lambda ann: ann.delete(using="default"),
    "refresh": lambda ann: ann.refresh_from_db(),
    "refresh, naming the database": lambda ann: ann.refresh_from_db(using="default"),
    "refresh from a query": lambda ann: ann.refresh_from_db(from_queryset=People.all()),
    "refresh a field": lambda ann: ann.refresh_from_db(fields=["email"]),
    "arefresh": lambda ann: async_to_sync(ann.arefresh_from_db)(),
    "many to many": lambda ann: list(ann.groups.all()),
    "many to many, add": lambda ann: ann.groups.add(Group.objects.get()),
    "many to many, add key": lambda ann: ann.groups.add(1),
    "many to many, remove": lambda ann: ann.groups.remove(1),
    "many to many, set": lambda ann: ann.groups.set([]),
    "many to many, clear": lambda ann: ann.groups.clear(),
    "many to many, create": lambda ann: ann.groups.create(name="new"),
    "reverse": lambda ann: list(ann.memberships.all()),
    "reverse, update": lambda ann: ann.memberships.update(group_id=1),
    "reverse, create": lambda ann: ann.memberships.create(group_id=1),
    "permission": lambda ann: (setattr(ann, "is_superuser", False), ann.has_perm("a.b")),
    "prefetch": lambda ann: prefetch_related_objects([ann], "groups"),
    "filter by": lambda ann: list(Membership.objects.filter(user=ann)),
    "filter by, among others": lambda ann: list(Membership.objects.filter(user__in=[1, ann])),
    "exclude by": lambda ann: list(Membership.objects.exclude(user=ann)),
    "member of": lambda ann: Group.objects.get().user_set.add(ann),
    "no more member of": lambda ann: Group.objects.get().user_set.remove(ann),
    "members are": lambda ann: Group.objects.get().user_set.set([ann]),
    "assign": lambda ann: Membership(user=ann, group=Group.objects.get()),
    "assign later": lambda ann: setattr(Membership.objects.first(), "user", ann),
    "create with": lambda ann: Membership.objects.create(user=ann, group_id=1),
    "bulk_create": lambda ann: People.bulk_create([ann]),
    "bulk_create, ignoring": lambda ann: People.bulk_create([ann], ignore_conflicts=True),
    "bulk_update": lambda ann: People.bulk_update([ann], ["display_name"]),
    "contains": lambda ann: People.contains(ann),
    "history": lambda ann: list(ann.history.all()),
    "history, at a time": lambda ann: ann.history.as_of(timezone.now()),
    "next": lambda ann: ann.get_next_by_date_joined(),
    "validate": lambda ann: ann.full_clean(),
    "its database": lambda ann: list(People.using(ann._state.db)),
    "form": lambda ann: modelform_factory(CustomUser, fields=["display_name"])(
        {"display_name": "x"}, instance=ann
    ).save(),
    "deepcopy": lambda ann: copy.deepcopy(ann).save(),
    "copy": lambda ann: copy.copy(ann).save(),
    "pickle": lambda ann: pickle.loads(pickle.dumps(ann)).save(),
    "copy as new": lambda ann: _as_new(ann).save(),
}


def _as_new(person: CustomUser) -> CustomUser:
    person.pk, person._state.adding = None, True
    return person


@pytest.mark.usefixtures("tables_of_globex")
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_i02_an_instance_of_one_tenant_is_refused_in_another(act, acme, globex, ann):
    with enter_tenant(globex), pytest.raises(TenantMismatch), transaction.atomic():
        act(ann)


@pytest.mark.parametrize("name", ["save", "delete, naming the database", "refresh", "many to many"])
def test_i02_on_the_platform_the_instance_is_refused_as_well(name, ann):
    with enter_platform(), pytest.raises(TenantMismatch):
        ACTS[name](ann)


@pytest.mark.parametrize("name", ["save", "delete", "refresh", "many to many", "filter by"])
def test_i02_an_operator_is_refused_in_a_tenant(name, operator, acme):
    with enter_tenant(acme), pytest.raises(TenantMismatch):
        ACTS[name](operator)


@pytest.mark.usefixtures("tables_of_globex")
def test_i02_a_deferred_field_is_not_read_elsewhere(acme, globex):
    with enter_tenant(acme):
        ann = People.only("username").get(username="ann")
    with enter_tenant(globex), pytest.raises(TenantMismatch):
        print(ann.email)


@pytest.mark.usefixtures("tables_of_globex")
def test_i02_a_related_object_is_not_fetched_elsewhere_but_one_that_is_there_is_given(acme, globex):
    with enter_tenant(acme):
        lazy = Membership.objects.get()
        eager = Membership.objects.select_related("user").get()
    with enter_tenant(globex):
        with pytest.raises(TenantMismatch):
            print(lazy.user)
        assert eager.user.username == "bob"
        with pytest.raises(TenantMismatch):
            eager.user.save()


@pytest.mark.usefixtures("tables_of_globex")
def test_i02_what_was_prefetched_is_not_handed_out_elsewhere(acme, globex):
    with enter_tenant(acme):
        bob = People.prefetch_related("groups").get(username="bob")
    with enter_tenant(globex), pytest.raises(TenantMismatch):
        list(bob.groups.all())


@pytest.mark.usefixtures("tables_of_globex")
@pytest.mark.parametrize(
    "make",
    [
        lambda: CustomUser(username="new", email="new@x.example"),
        lambda: People.model(username="new", email="new@x.example"),
        lambda: Membership(user=People.get(username="bob"), group_id=1),
        lambda: modelform_factory(Group, fields=["name"])({"name": "new"}).save(commit=False),
        lambda: Session(session_key="k", session_data="", expire_date=timezone.now()),
        lambda: CustomUser.history.first().instance,
    ],
)
def test_i02_what_was_never_saved_is_for_where_it_was_made(make, acme, globex):
    with enter_tenant(acme):
        made = make()
    with enter_tenant(globex), pytest.raises(TenantMismatch), transaction.atomic():
        made.save()


def test_i02_what_was_saved_by_naming_the_database_remembers_too(acme, globex):
    with enter_tenant(acme):
        role = Group(name="new")
        role.save(using="default")
        loaded = Group.objects.using("default").get(name="new")
    for made in (role, loaded):
        assert provenance.made_in(made) == acme.schema_name
        assert made._state.db == "default"


def test_i02_tenants_are_read_everywhere_and_changed_on_the_platform(acme):
    with enter_tenant(acme):
        assert (acme.slug, acme.is_active, str(acme)) == ("acme", True, "Acme")
        for act in (acme.save, acme.refresh_from_db, lambda: list(acme.domains.all())):
            with pytest.raises(TenantMismatch):
                act()
    with enter_platform():
        acme.refresh_from_db()
        acme.save()


def test_i02_the_error_names_neither_people_nor_slugs_and_its_page_nothing_at_all(
    acme, globex, ann, browser, sam, monkeypatch
):
    with enter_tenant(globex), pytest.raises(TenantMismatch) as caught:
        ann.save()
    text = str(caught.value)
    assert acme.schema_name in text
    assert globex.schema_name in text
    assert not any(word in text.lower() for word in ("ann", "acme", "globex"))

    client = browser(globex, sam)
    client.raise_request_exception = False
    monkeypatch.setattr("accounts.views.ProfileForm", lambda *_, **__: ann.save())
    page = client.get("/")
    assert page.status_code == 500
    assert acme.schema_name not in page.text
    assert CANARY["acme"] not in page.text


# What belongs to nobody: what modules make when they are imported

MODULE = """
from django import forms
from django.db.models import Prefetch
from django.views.generic import ListView
from accounts.models import CustomUser
from django.contrib.auth.models import Group

PEOPLE = CustomUser.objects.order_by("pk")
ROLE = Group(name="made at import")
RAW = CustomUser.objects.raw("SELECT * FROM accounts_customuser ORDER BY id")

class Choice(forms.Form):
    person = forms.ModelChoiceField(CustomUser.objects.filter(is_superuser=True).order_by("pk"))

class Edit(forms.ModelForm):
    class Meta:
        model = CustomUser
        fields = ["user_permissions"]

class Page(ListView):
    queryset = CustomUser.objects.filter(is_superuser=True).order_by("pk")

WITH_ROLES = Prefetch("groups", queryset=Group.objects.order_by("name"))
"""


@pytest.fixture(params=["before any tenant", "inside Acme", "inside Globex"])
def late(request, tmp_path, monkeypatch, acme, globex) -> Iterator[Any]:
    """Import a module that makes query sets: at start-up, or by the first request of a tenant."""
    (tmp_path / "late_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    place = {"inside Acme": acme, "inside Globex": globex}.get(request.param)
    with enter_tenant(place) if place else enter_platform():
        import late_module

    yield late_module
    del sys.modules["late_module"]


def test_i02_what_is_made_at_import_is_good_everywhere(late, acme, globex, rf):
    for _ in range(2):
        for tenant, owner in ((acme, "ann"), (globex, "sam")):
            with enter_tenant(tenant):
                assert late.PEOPLE.first().username == owner
                assert late.PEOPLE.count() == 3
                assert next(iter(late.PEOPLE.all())).username == owner
                assert late.RAW.prefetch_related(None)[0].username == owner
                choices = list(late.Choice().fields["person"].choices)
                assert CANARY[tenant.slug] in str(choices)
                assert len(choices) == 2
                assert late.Edit().fields["user_permissions"].queryset.count() > 0
                shown = late.Page.as_view()(rf.get("/")).context_data["object_list"]
                assert [person.username for person in shown] == [owner]
                with_roles = list(People.prefetch_related(late.WITH_ROLES))
                assert len(with_roles) == 3


def test_i02_a_copy_of_it_is_for_where_it_was_copied(late, acme, globex):
    with enter_tenant(acme):
        copied = late.PEOPLE.all()
        chained = late.PEOPLE.filter(is_staff=True)
        form = late.Choice()
    with enter_tenant(globex):
        for made in (copied, chained, form.fields["person"].queryset):
            with pytest.raises(TenantMismatch):
                list(made)


def test_i02_rows_that_it_once_read_are_not_shown_to_the_next_tenant(late, acme, globex):
    with enter_tenant(acme):
        assert len(late.PEOPLE) == 3
    with enter_tenant(globex):
        with pytest.raises(TenantMismatch):
            list(late.PEOPLE)
        assert late.PEOPLE.all()[0].username == "sam"


# The twins: what the libraries do without it


def test_i02_twin_bare_query_sets_read_whoever_is_there(acme, globex):
    with bare_libraries():
        with enter_tenant(acme):
            people = People.order_by("pk")
        with enter_tenant(globex):
            assert people.first().username == "sam"


def test_i02_twin_bare_instances_overwrite_whoever_has_their_key(acme, globex):
    with bare_libraries():
        with enter_tenant(acme):
            ann = People.get(username="ann")
        with enter_tenant(globex):
            ann.save()
            assert not People.filter(username="sam").exists()
            assert CANARY["acme"] in People.get(pk=ann.pk).display_name


def test_i02_twin_bare_relations_are_the_others(acme, globex):
    with bare_libraries():
        with enter_tenant(acme):
            bob = People.get(username="bob")
        with enter_tenant(globex):
            assert [CANARY["globex"] in role.name for role in bob.groups.all()] == [True]


def test_i02_twin_a_class_level_query_set_shows_the_next_tenant_the_last_ones_rows(acme, globex):
    with bare_libraries():
        queryset = People.order_by("pk")
        with enter_tenant(acme):
            list(queryset)
        with enter_tenant(globex):
            assert [person.username for person in queryset] == ["ann", "bob", "cleo"]


# What it stands on


def test_every_replacement_has_the_parameters_of_what_it_replaces():
    known = {
        (models.sql.Query, "get_compiler"): ["self", "using", "connection", "elide_empty"],
        (models.sql.Query, "clone"): ["self"],
        (models.sql.Query, "combine"): ["self", "rhs", "connector"],
        (models.sql.Query, "check_query_object_type"): ["self", "value", "opts", "field"],
        (models.sql.RawQuery, "clone"): ["self", "using"],
        (models.sql.RawQuery, "_execute_query"): ["self"],
        (models.QuerySet, "bulk_create"): ["self", "objs"],
        (models.QuerySet, "bulk_update"): ["self", "objs"],
        (models.QuerySet, "_fetch_all"): ["self"],
        (models.QuerySet, "__getitem__"): ["self", "k"],
        (models.QuerySet, "count"): ["self"],
        (models.QuerySet, "exists"): ["self"],
        (models.Model, "save_base"): [
            *("self", "raw", "force_insert", "force_update", "using", "update_fields"),
        ],
        (models.Model, "delete"): ["self", "using"],
        (models.Model, "refresh_from_db"): ["self", "using"],
        (models.ForeignObject, "get_instance_value_for_fields"): ["instance", "fields"],
    }
    with bare_libraries():
        for (owner, name), parameters in known.items():
            found = list(inspect.signature(getattr(owner, name)).parameters)
            assert found[: len(parameters)] == parameters, (owner, name)
        assert list(inspect.signature(models.Model.from_db).parameters) == [
            *("db", "field_names", "values"),
        ]
        assert "_result_cache" in models.QuerySet().__dict__
        assert "__call__" not in vars(type(models.Model))


def test_django_is_as_it_was_when_all_is_taken_away():
    with bare_libraries():
        assert "made_in" not in vars(models.sql.Query)
        assert models.Model.save_base.__module__ == "django.db.models.base"
        assert models.Model.from_db.__func__.__module__ == "django.db.models.base"
        assert models.QuerySet.db.fget.__module__ == "django.db.models.query"
    assert vars(models.sql.Query)["made_in"] == ""


def test_the_short_cut_to_the_connection_finds_the_same_connection():
    assert places._is_direct
    assert places._of_thread.default is connections["default"]


def test_a_place_is_the_alias_that_it_stands_for(acme):
    here = places.place("default", acme.schema_name)
    assert here == "default"
    assert hash(here) == hash("default")
    assert connections[here] is connections["default"]
    again = pickle.loads(pickle.dumps(here))
    assert again is here
    assert copy.deepcopy(here) is here


def test_the_router_is_first_and_chooses_nothing(acme, ann):
    assert isinstance(router.routers[0], provenance.TenantRouter)
    with enter_tenant(acme):
        assert router.routers[0].db_for_read(CustomUser, instance=ann) is None
        assert router.routers[0].db_for_write(CustomUser) is None
