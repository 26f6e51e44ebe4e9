"""What holds the house together: directions of imports, banned forms, and where models live."""

import ast
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models, router

from config.environment import CHECKOUT
from tenants.context import enter_platform, enter_tenant
from tenants.models import Tenant
from tenants.sites import platform_site, tenant_site
from tests.apps import APPS


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from sorted((CHECKOUT / app).rglob("*.py"))


def ours(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


def test_imports_point_one_way() -> None:
    checked = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert checked.returncode == 0, checked.stdout
    assert " 0 broken" in checked.stdout


# One way into a tenant

BANNED_NAMES = {
    "tenant_context",
    "schema_context",
    "set_schema",
    "set_tenant",
    "set_schema_to_public",
    "set_current_tenant",
}
MAY_SWITCH = {"tenants/context.py", "tenants/owner.py"}


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.alias):
            yield 0, node.name.rpartition(".")[2]


def entered_objects(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What ``with`` is given: a call is a block of our own, a bare tenant is the library's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if isinstance(item.context_expr, ast.Name | ast.Attribute):
                    yield node.lineno, ast.unparse(item.context_expr)


def violations(source: str, *, may_switch: bool = False) -> list[tuple[int, str]]:
    tree = ast.parse(source)
    found = [
        (line, name) for line, name in names_in(tree) if name in BANNED_NAMES and not may_switch
    ]
    return found + [
        (line, f"with {name}") for line, name in entered_objects(tree) if "tenant" in name.lower()
    ]


@pytest.mark.parametrize("path", list(sources()), ids=ours)
def test_nobody_enters_a_tenant_another_way(path: Path) -> None:
    may_switch = ours(path) in MAY_SWITCH or ours(path).startswith("tenants/backend/")

    assert violations(path.read_text(), may_switch=may_switch) == []


@pytest.mark.parametrize(
    "source",
    [
        "with tenant: pass",
        "with self.tenant, other(): pass",
        "with request.tenant as t: pass",
        "from django_tenants.utils import tenant_context",
        "import django_tenants.utils as u\nwith u.schema_context('x'): pass",
        "@tenant_context(t)\ndef f(): pass",
        "connection.set_tenant(t)",
        "connection.set_schema('acme')",
    ],
)
def test_the_scan_finds_what_is_banned(source: str) -> None:
    assert violations(source)


def test_the_scan_lets_our_own_way_pass() -> None:
    assert violations("with enter_tenant(tenant), transaction.atomic(): pass") == []


# What settings name

OURS = re.compile(rf"({'|'.join(APPS)})(\.\w+)+")


def strings_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings_in(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from strings_in(each)


def named_by_settings() -> list[tuple[str, str]]:
    names = {name for name in dir(settings) if name.isupper()}
    found = {(name, text) for name in names for text in strings_in(getattr(settings, name))}
    return sorted((name, text) for name, text in found if OURS.fullmatch(text))


@pytest.mark.parametrize(("setting", "path"), named_by_settings())
def test_what_a_setting_names_is_there(setting: str, path: str) -> None:
    """Django imports most of these when somebody first needs them: that may be a visitor."""
    found = apps.get_model(path) if setting.endswith("_MODEL") else pkgutil.resolve_name(path)

    assert found is not None


def test_settings_are_read_for_what_they_name() -> None:
    named = {path for _, path in named_by_settings()}

    assert {settings.MFA_ADAPTER, "config.pages.place", "activity.api.problems.handle"} <= named


# What every process loads

RARELY_NEEDED = {
    "PIL",
    "boto3",
    "botocore",
    "dns",
    "fpdf",
    "numpy",
    "pyarrow",
    "qrcode",
    "storages",
    "uharfbuzz",
    "zstandard",
}
"""Packages that few acts need: loaded by those, they weigh on nothing else."""

LOADED = """
import sys

import django
from django.urls import get_resolver

django.setup()
for urls in ("config.urls_platform", "config.urls_tenant"):
    get_resolver(urls).url_patterns
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_no_process_loads_at_its_start_what_few_acts_need() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=CHECKOUT, capture_output=True, text=True, timeout=120
    )

    loaded = set(ran.stdout.split())
    assert {"django", "tenants", "accounts", "config"} <= loaded, ran.stderr
    assert loaded & RARELY_NEEDED == set()


# Small modules with names


@pytest.mark.parametrize("path", list(sources()), ids=ours)
def test_a_module_is_named_by_its_noun_and_is_not_long(path: Path) -> None:
    assert path.stem not in {
        "utils",
        "util",
        "helpers",
        "helper",
        "misc",
        "common_utils",
        "services",
    }
    if "migrations" not in path.parts:
        assert len(path.read_text().splitlines()) <= 400


# Which schema holds what


def tables_in(schema: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
            " AND relkind IN ('r', 'p', 'v', 'm', 'f')",
            [schema],
        )
        return {name for (name,) in cursor.fetchall()}


def managed() -> list[type[models.Model]]:
    return [m for m in apps.get_models(include_auto_created=True) if m._meta.managed]


def test_each_schema_holds_exactly_its_tables(acme: Tenant, globex: Tenant) -> None:
    everywhere = {m._meta.db_table for m in managed() if m._meta.app_label != "tenants"}
    only_public = {m._meta.db_table for m in managed() if m._meta.app_label == "tenants"}
    django = {"django_migrations"}

    assert only_public == {
        "tenants_tenant",
        "tenants_formerslug",
        "tenants_domain",
        "tenants_operation",
        "tenants_deletioncertificate",
        "tenants_due",
        "tenants_tally",
        "tenants_blueprint",
        "tenants_spareschema",
        "tenants_supportaccess",
        "tenants_recordhead",
        "tenants_dailycheckpoint",
        "tenants_recordcheck",
        "tenants_recordrollup",
        "tenants_tenantfigure",
        "tenants_tenantmonth",
    }
    assert tables_in("public") == everywhere | only_public | django
    assert tables_in(acme.schema_name) == tables_in(globex.schema_name) == everywhere | django


def test_the_router_agrees(acme: Tenant) -> None:
    def allowed(model: type[models.Model]) -> bool | None:
        return router.allow_migrate_model("default", model)

    for model in managed():
        with enter_platform():
            assert allowed(model) in (True, None)
        with enter_tenant(acme):
            shared = model._meta.app_label == "tenants"
            assert (allowed(model) is False) is shared


def test_every_app_is_declared_for_the_schemas_it_has_tables_in() -> None:
    assert set(settings.SHARED_APPS) == set(settings.INSTALLED_APPS)
    assert set(settings.INSTALLED_APPS) - set(settings.TENANT_APPS) == {"tenants"}


# Two sites (P2)


def registered(site: Any) -> set[str]:
    return {model._meta.label for model in site._registry}


def test_no_shared_model_is_on_the_tenants_site() -> None:
    assert not any(label.startswith("tenants.") for label in registered(tenant_site))
    assert registered(platform_site) >= {"tenants.Tenant", "accounts.CustomUser"}


def test_nothing_is_on_djangos_own_site() -> None:
    from django.contrib.admin import site

    assert registered(site) == set()


def test_the_sites_urls_are_where_they_belong() -> None:
    from config import urls_platform, urls_tenant

    def sites(patterns: list[Any]) -> set[Any]:
        return {id(p.url_patterns) for p in patterns if getattr(p, "app_name", "") == "admin"}

    platform, tenant = sites(urls_platform.urlpatterns), sites(urls_tenant.urlpatterns)
    assert len(platform) == len(tenant) == 1
    assert platform.isdisjoint(tenant)
    assert settings.PUBLIC_SCHEMA_URLCONF == "config.urls_platform"
    assert settings.ROOT_URLCONF == "config.urls_tenant"
