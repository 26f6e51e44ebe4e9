"""Content types and permissions, as statements that are right in every schema.

Django makes them in receivers of ``post_migrate``, row by row and by ids that differ between
tenants. Said by their natural keys it is one script for all, and a name that changed follows, which
Django leaves as it was.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from weakref import ReferenceType

from django.apps.registry import Apps
from django.contrib.auth import get_permission_codename
from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import (
    create_contenttypes,
    inject_rename_contenttypes_operations,
)
from django.db import router
from django.db.migrations import AlterModelOptions, CreateModel, DeleteModel, RenameModel
from django.db.migrations.migration import Migration
from django.db.models.signals import post_migrate, pre_migrate
from pgtrigger.apps import install_on_migrate
from pgtrigger.features import install_on_migrate as installs_on_migrate

_KNOWN: Final = (
    create_contenttypes,
    create_permissions,
    inject_rename_contenttypes_operations,
    # Does nothing unless a setting says so, which others_listen() looks at.
    install_on_migrate,
)
_TOUCHING: Final = (CreateModel, AlterModelOptions, RenameModel, DeleteModel)


def others_listen() -> bool:
    """Whether somebody but Django's own receivers waits for the signals around a migration."""
    return installs_on_migrate() or any(
        receiver is not None and receiver not in _KNOWN
        for signal in (pre_migrate, post_migrate)
        for receiver in _receivers(signal)
    )


def _receivers(signal: Any) -> Iterator[Any]:
    for entry in signal.receivers:
        receiver = entry[1]
        yield receiver() if isinstance(receiver, ReferenceType) else receiver


def touched(plan: Iterable[Migration]) -> set[str]:
    """Return the labels of the apps whose models, or rights to them, the plan changes."""
    return {
        migration.app_label
        for migration in plan
        if any(isinstance(operation, _TOUCHING) for operation in migration.operations)
    }


def statements(apps: Apps, labels: set[str], alias: str) -> list[tuple[str, list[Any]]]:
    """Return what gives the schema one is in the content types and permissions of some apps.

    ``apps`` are the models as they are after the migrations; ``labels`` say of which apps.
    """
    models = [
        model._meta
        # An app whose last model went is not among them any more.
        for label in sorted(labels & apps.app_configs.keys())
        for model in apps.get_app_config(label).get_models()
        if router.allow_migrate_model(alias, model)
    ]
    if not models:
        return []
    types = [[meta.app_label, meta.model_name] for meta in models]
    rights = [
        [meta.app_label, meta.model_name, codename, name]
        for meta in models
        for codename, name in _permissions(meta)
    ]
    return [
        (_TYPES.format(_rows(types)), _flat(types)),
        (_RIGHTS.format(_rows(rights)), _flat(rights)),
        (_NAMES.format(_rows(rights)), _flat(rights)),
    ]


def _permissions(meta: Any) -> Iterator[tuple[str, str]]:
    """Yield code and name of each permission of a model, as ``create_permissions`` makes them."""
    for action in meta.default_permissions:
        yield get_permission_codename(action, meta), f"Can {action} {meta.verbose_name_raw}"
    yield from meta.permissions


def _rows(rows: list[list[Any]]) -> str:
    return ", ".join(f"({', '.join(['%s'] * len(row))})" for row in rows)


def _flat(rows: list[list[Any]]) -> list[Any]:
    return [str(value) for row in rows for value in row]


# NOT EXISTS before ON CONFLICT, which would use up a number of the sequence for each row.
_TYPES: Final = """
INSERT INTO django_content_type (app_label, model)
SELECT v.app_label, v.model FROM (VALUES {}) AS v (app_label, model)
WHERE NOT EXISTS (
    SELECT FROM django_content_type t WHERE (t.app_label, t.model) = (v.app_label, v.model)
)
ON CONFLICT DO NOTHING"""

_RIGHTS: Final = """
INSERT INTO auth_permission (content_type_id, codename, name)
SELECT t.id, v.codename, v.name FROM (VALUES {}) AS v (app_label, model, codename, name)
JOIN django_content_type t ON (t.app_label, t.model) = (v.app_label, v.model)
WHERE NOT EXISTS (
    SELECT FROM auth_permission p WHERE (p.content_type_id, p.codename) = (t.id, v.codename)
)
ON CONFLICT DO NOTHING"""

_NAMES: Final = """
UPDATE auth_permission p SET name = v.name
FROM (VALUES {}) AS v (app_label, model, codename, name)
JOIN django_content_type t ON (t.app_label, t.model) = (v.app_label, v.model)
WHERE (p.content_type_id, p.codename) = (t.id, v.codename) AND p.name <> v.name"""
