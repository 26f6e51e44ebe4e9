"""Files of exports: what tests about them share."""

import pytest

from activity.context import Actor, ActorKind
from activity.jobs import asking, running
from tenants.context import enter_platform, enter_tenant

OPERATOR = Actor(ActorKind.COMMAND, "root@here", "root@here")


@pytest.fixture
def exports_of_its_own(settings, tmp_path):
    """Let a test have a place for files of its own, which is returned."""
    settings.TENANTRY_EXPORTS_DIRECTORY = tmp_path
    options = {"location": tmp_path / "files", "base_url": None}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "exports": {"BACKEND": backend, "OPTIONS": options},
    }
    return tmp_path


def made(tenant, by, form="csv", source="events", **filters):
    """A job of somebody's whose file is there."""
    with enter_tenant(tenant) if tenant else enter_platform():
        job = asking.request(source, filters, form, by=by)
        assert running.run(str(job.pk)) == "ready"
        job.refresh_from_db()
    return job


def files(place):
    """The names of all files below a directory."""
    return sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())


def reset_by_peer(*_):
    """What a storage that does not answer does instead of what it was asked for."""
    raise ConnectionResetError("reset by peer")
