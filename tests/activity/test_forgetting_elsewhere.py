"""Erasing somebody whom other records name: what they leave elsewhere goes, and nothing else."""

from contextlib import contextmanager

import pytest

from accounts.models import CustomUser
from activity.context import Actor, ActorKind, Channel, Context, acting_as
from activity.forgetting import erasing, holds, tasks
from activity.jobs import keeping
from activity.models import ActivityEvent
from activity.models.rules import EVERYBODY
from activity.recording import record
from activity.subjects import Subject
from activity.verifying import verify
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict
from tenants.hosts import absolute_url
from tenants.models import Tenant
from tests.activity.settling import settle
from tests.activity.test_forgetting import EMAIL, IP, erased, found_anywhere, lived, person_called
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import files

pytestmark = pytest.mark.usefixtures("exports_of_its_own")

OLGA = "olga@quistgaard.example"


def keep_file(place):
    """Have a schedule's file in the storage of a tenant, or of the platform."""
    scope = place.pk if place else "platform"
    keeping.put_text(b"month end", f"{scope}/schedule-x/20260101T000000Z.csv")


def kept(directory):
    return {name.split("/")[1] for name in files(directory)}


@pytest.fixture
def olga():
    """An operator, of whom tenants may know something, and another one."""
    with enter_platform():
        olga = person_called("olga.operates", OLGA, "Olga Quistgaard")
        CustomUser.objects.create_superuser("second", "second@platform.example", "y" * 20)
    yield olga
    with enter_platform():
        CustomUser.objects.filter(username__in=["second", "olga.operates"]).delete()


@contextmanager
def as_olga(olga):
    actor = Actor(ActorKind.PERSON, str(olga.public_id), "Olga Quistgaard (olga.operates)")
    with acting_as(Context(actor=actor, channel=Channel.PAGE, ip=IP)):
        yield


def acted_in(tenant, olga):
    with enter_tenant(tenant), as_olga(olga):
        record("tenant.suspended", target=Subject("tenant", str(tenant.pk), tenant.name))


def test_whom_the_platform_named_is_erased_there_and_other_tenants_keep_their_files(
    lab, acme, exports_of_its_own
):
    keep_file(lab)
    keep_file(acme)
    with enter_platform():
        target = Subject("tenant", str(lab.pk), "Lab")
        record("tenant.created", target=target, reason=f"asked for by {EMAIL}")
    with enter_tenant(lab):
        lived()
        erased()
    assert kept(exports_of_its_own) == {str(acme.pk)}
    with enter_platform():
        assert found_anywhere(["public"]) == []
        assert ActivityEvent.objects.filter(action="user.erased").exists()
        assert erasing.unfinished() == set()

        tasks._forget()

        # It was this tenant's to certify.
        assert not ActivityEvent.objects.filter(action="record.erased").exists()
    assert kept(exports_of_its_own) == {str(acme.pk)}


def test_an_operators_erasure_deletes_files_only_where_the_record_knew_them(
    lab, acme, olga, exports_of_its_own
):
    acted_in(lab, olga)
    keep_file(lab)
    keep_file(acme)
    with enter_platform():
        erased(OLGA)
    assert kept(exports_of_its_own) == {str(acme.pk)}


def test_an_operators_erasure_touches_nothing_of_a_record_that_is_held(
    lab, olga, exports_of_its_own
):
    acted_in(lab, olga)
    keep_file(lab)
    with enter_tenant(lab):
        holds.place(EVERYBODY, "case 17")
    with enter_platform():
        erased(OLGA)
    assert kept(exports_of_its_own) == {str(lab.pk)}
    with enter_tenant(lab):
        assert not ActivityEvent.objects.filter(action="user.erased").exists()
        assert found_anywhere([lab.schema_name], ("quistgaard",))


def test_what_an_operator_leaves_late_in_a_tenants_record_is_swept_there(
    lab, olga, exports_of_its_own
):
    acted_in(lab, olga)
    with enter_platform():
        erased(OLGA)
    with enter_tenant(lab):
        assert erasing.sweep() == 0
        keep_file(lab)
        assert erasing.sweep() == 0
        assert kept(exports_of_its_own) == {str(lab.pk)}
    acted_in(lab, olga)

    with enter_tenant(lab):
        assert erasing.sweep() == 1
        assert erasing.sweep() == 0
        assert found_anywhere([lab.schema_name], ("quistgaard", IP)) == []
        # A file that was made in between may have them in it.
        assert kept(exports_of_its_own) == set()
        assert not ActivityEvent.objects.filter(action="record.erased").exists()


def set_state(tenant, **fields):
    with enter_platform():
        Tenant.objects.filter(pk=tenant.pk).update(**fields)


@pytest.mark.parametrize("state", ["suspended", "deletion_scheduled"])
def test_an_operator_is_erased_in_the_record_of_a_tenant_that_is_not_served(lab, olga, state):
    acted_in(lab, olga)
    set_state(lab, state=state)
    with enter_platform():
        erased(OLGA)
    set_state(lab, state="active")
    assert found_anywhere([lab.schema_name], ("quistgaard", IP)) == []
    with enter_tenant(lab):
        settle()
        assert verify().wrong is None


def test_an_operator_is_not_certified_while_a_tenant_is_behind_this_release(lab, olga):
    acted_in(lab, olga)
    set_state(lab, lacks=["activity.0007_forgetting"], state="suspended")
    with enter_platform():
        with pytest.raises(Conflict, match=f"behind this release: {lab.slug}"):
            erased(OLGA)
        assert not CustomUser.objects.filter(email=OLGA).exists()
        assert erasing.unfinished() == {str(olga.public_id)}
        assert erasing.sweep() == 0
        assert not ActivityEvent.objects.filter(action="record.erased").exists()
    set_state(lab, lacks=[])

    with enter_platform():
        assert erasing.sweep() == 1
        assert erasing.unfinished() == set()
    set_state(lab, state="active")
    assert found_anywhere([lab.schema_name], ("quistgaard", IP)) == []


def test_an_erasure_does_not_wait_for_a_tenant_whose_schema_is_gone(lab, olga):
    set_state(lab, schema_name="t_aaaaaaaaaaaaaaaa")
    try:
        with enter_platform():
            erased(OLGA)
            assert erasing.unfinished() == set()
    finally:
        set_state(lab, schema_name=lab.schema_name)


def test_mails_that_another_place_wrote_to_the_same_address_are_left_there(
    lab, acme, settings, tmp_path
):
    folder = tmp_path / "mails"
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(folder)
    folder.mkdir()
    theirs = {
        "acme": f"To: {EMAIL}\n{absolute_url('/', acme)}",
        "platform": f"To: {EMAIL}\n{absolute_url('/')}",
    }
    ours = {
        "lab": f"To: {EMAIL}\n{absolute_url('/', lab)}",
        "no-link": f"To: {EMAIL}\nA token was made.",
        "elsewhere": f"To: {EMAIL}\nhttps://www.example/",
    }
    for name, text in {**theirs, **ours}.items():
        (folder / f"{name}.log").write_text(text)
    with enter_tenant(lab):
        CustomUser.objects.create_superuser("owner", "owner@lab.example", "y" * 20)
        person_called()
        erased()
    assert {path.stem for path in folder.iterdir()} == set(theirs)
