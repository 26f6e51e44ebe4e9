"""A legal hold wins over an erasure, whoever is held and whenever it was placed."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import CustomUser
from activity.context import Actor, ActorKind, Channel, Context, acting_as
from activity.forgetting import erasing, holds, places
from activity.forgetting.people import people
from activity.models import ActivityEvent, Hold
from activity.models.rules import EVERYBODY
from activity.recording import record
from tenants.context import enter_tenant
from tenants.errors import Conflict, InvalidInput
from tests.activity.test_forgetting import (
    EMAIL,
    NAME,
    USERNAME,
    erased,
    found_anywhere,
    lived,
    person_called,
)
from tests.activity.test_forgetting_elsewhere import keep_file
from tests.exports import exports_of_its_own as exports_of_its_own
from tests.exports import files

pytestmark = pytest.mark.usefixtures("exports_of_its_own")


def person(user):
    return Actor(ActorKind.PERSON, str(user.public_id), str(user))


def certificates():
    return ActivityEvent.objects.filter(action="record.erased").count()


def test_who_is_held_cannot_erase_others_since_what_they_do_is_kept(lab):
    with enter_tenant(lab):
        yan = CustomUser.objects.create_superuser("yan", "yan@lab.example", "y" * 20)
        user = person_called()
        holds.place(yan.public_id, "case 17")
        client = Client(headers={"host": f"{lab.slug}.localhost:8000"})
        client.force_login(yan)
        answer = client.post(
            f"/admin/accounts/customuser/{user.pk}/erase/",
            {"reason": "request 1", "username": USERNAME},
        )
        assert "A legal hold covers who asks" in answer.content.decode()
        assert CustomUser.objects.filter(pk=user.pk).exists()
        assert not ActivityEvent.objects.filter(action="user.erased").exists()

        for_them = Context(
            actor=Actor(ActorKind.COMMAND, "root@here", "root@here"),
            channel=Channel.COMMAND,
            on_behalf_of=person(yan),
        )
        with acting_as(for_them), pytest.raises(Conflict, match="covers who asks"):
            erased()
        # Anybody else can.
        erased()
        assert found_anywhere([lab.schema_name]) == []


def test_a_hold_that_is_placed_after_an_erasure_has_begun_wins(lab, exports_of_its_own):
    with enter_tenant(lab):
        user, _ = lived()
        erasing.begin(people().find(EMAIL), "request 4711")
        holds.place(user.public_id, "case 9")
        keep_file(lab)
    asked = ["--tenant", lab.slug, "--subject", str(user.public_id), "--reason", "request 4711"]
    with pytest.raises(CommandError, match="a legal hold covers this person") as refused:
        call_command("activity", "erase", *asked, "--yes")
    assert refused.value.returncode == 4
    with enter_tenant(lab):
        assert erasing.sweep() == 0
        assert len(files(exports_of_its_own)) == 1
        assert found_anywhere([lab.schema_name])
        assert certificates() == 0

        holds.release(user.public_id, "case 9 is closed")
        assert erasing.sweep() == 1
        assert found_anywhere([lab.schema_name]) == []
        assert certificates() == 1


def test_a_hold_on_somebody_else_that_is_placed_amidst_an_erasure_keeps_its_certificate(
    lab, monkeypatch
):
    with enter_tenant(lab):
        _, owner = lived()
        whom = people().find(EMAIL)

        def looked_up(*given, **named):
            if not held:
                held.append(holds.place(owner.public_id, "case 9"))
            return own(*given, **named)

        held = []
        own = erasing._elsewhere
        monkeypatch.setattr(erasing, "_elsewhere", looked_up)
        with pytest.raises(Conflict, match="also of somebody under a legal hold"):
            erasing.erase(whom, "request 4711")
        assert certificates() == 0
        assert erasing.unfinished() == {whom.id}

        holds.release(owner.public_id, "case 9 is closed")
        assert erasing.sweep() == 1
        assert certificates() == 1
        assert found_anywhere([lab.schema_name]) == []


def test_what_only_a_hold_keeps_is_not_swept_every_night(lab, exports_of_its_own):
    with enter_tenant(lab):
        user, owner = lived()
        erased()
        holds.place(owner.public_id, "case 17")
        with acting_as(Context(actor=person(owner), channel=Channel.PAGE)):
            record("session.ended", target=user, reason=f"said {NAME}")
        keep_file(lab)
        for _ in range(2):
            assert erasing.sweep() == 0
        assert len(files(exports_of_its_own)) == 1
        assert certificates() == 1

        holds.release(owner.public_id, "case 17 is closed")
        assert erasing.sweep() == 1
        assert erasing.sweep() == 0
        assert found_anywhere([lab.schema_name]) == []
        assert certificates() == 2


def test_a_hold_on_the_whole_record_keeps_an_erasure_that_was_begun(lab):
    with enter_tenant(lab):
        lived()
        erasing.begin(people().find(EMAIL), "request 4711")
        holds.place(EVERYBODY, "case 1")
        with pytest.raises(Conflict, match="a legal hold covers this person"):
            erasing.finish(people().find(EMAIL))
        assert erasing.sweep() == 0
        assert found_anywhere([lab.schema_name])


def test_a_hold_that_is_placed_last_of_all_keeps_the_certificate(lab, monkeypatch):
    with enter_tenant(lab):
        user, _ = lived()
        counted = places.rollups

        def holding(whom):
            holds.place(user.public_id, "case 9")
            return counted(whom)

        with monkeypatch.context() as patch:
            patch.setattr(places, "rollups", holding)
            with pytest.raises(Conflict, match="covers this person"):
                erased()
        assert certificates() == 0
        holds.release(user.public_id, "case 9 is closed")
        assert erasing.sweep() == 1
        assert certificates() == 1


@pytest.mark.parametrize("reason", ["", " \n", "a\0b", "a\x1b[31mb", "x" * 301])
def test_a_hold_needs_a_reason_that_can_be_kept(lab, reason):
    with enter_tenant(lab):
        CustomUser.objects.create_superuser("owner", "owner@lab.example", "y" * 20)
        client = Client(headers={"host": f"{lab.slug}.localhost:8000"})
        client.force_login(CustomUser.objects.get())
        asked = {"act": "hold", "who": "", "reason": reason}
        page = client.post("/admin/retention/", asked, follow=True).content.decode()
        assert "a reason is needed" in page.lower()
        assert not Hold.objects.exists()


def test_a_reason_is_kept_on_one_line_and_one_that_cannot_be_printed_ends_no_hold_badly(lab):
    with enter_tenant(lab):
        assert holds.place(EVERYBODY, " case\n17 ")
        assert Hold.objects.get().reason == "case 17"
        assert holds.release(EVERYBODY, "closed\0")
        released = ActivityEvent.objects.get(action="record.released")
        assert "\0" not in released.reason


@pytest.mark.parametrize(
    ("name", "reason", "found"),
    [
        ("Victoria Erasable", "Victoria asked", "Victoria"),
        ("Victoria Erasable", "on VICTORIA's own wish", "VICTORIA"),
        ("Victoria Erasable", "case of erasable, 4711", "erasable"),
        ("Victoria Erasable", "the victorian erasables", ""),
        ("Anna-Maria Kurz", "anna called", "anna"),
        ("Erasable, Victoria", "victoria asked", "victoria"),
        # Short names are words as well.
        ("May Erasable", "May asked", "May"),
        ("May Erasable", "who may ask", ""),
        ("may erasable", "May asked", "May"),
        ("Al Erasable", "Al asked", "Al"),
        ("Al Erasable", "asked et al, all of it", ""),
        ("Ana de Souza", "pedido de exclusão", ""),
        ("Ana von Erasable", "Antrag von gestern", ""),
        ("J. Erasable", "request J", ""),
        ("Éloïse Erasable", "éloïse 1", "éloïse"),
        ("Victoria (HR) Erasable", "asked by HR", ""),
        ("Victoria Erasable", "request 4711, by post", ""),
    ],
)
def test_a_reason_that_is_kept_has_no_part_of_the_name(in_acme, ann, name, reason, found):
    user = CustomUser.objects.create_user("ve.81", "ve@acme.example", display_name=name)
    # Somebody else has the name too: a reason is about one of them.
    CustomUser.objects.create_user("ve.82", "ve2@acme.example", display_name=name)
    person = people().find("ve.81")
    doors = (
        lambda: erasing.check(person, reason),
        lambda: holds.place(user.public_id, reason),
        lambda: holds.release(user.public_id, reason),
    )

    for door in doors:
        if found:
            with pytest.raises(InvalidInput, match=f"names the person, with '{found}'"):
                door()
        else:
            door()
    placed = ActivityEvent.objects.filter(action="record.held")
    assert [event.reason for event in placed] == ([] if found else [reason])
