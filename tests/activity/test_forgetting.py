"""Erasing somebody: nothing says any more who they were, and the record stays provable."""

import json
import re
import uuid
from base64 import b64decode
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.invitations import invite
from accounts.models import CustomUser
from activity.context import Actor, ActorKind, Channel, Context, acting_as
from activity.forgetting import certificates, erasing, holds
from activity.forgetting.people import people, pseudonym
from activity.leaves import leaf_hash
from activity.models import ActivityEvent, SavedSearch
from activity.reading import saved
from activity.recording import record
from activity.rollups import fold
from activity.sealing import keys, notes, tree
from activity.sealing.proofs import prove
from activity.subjects import Subject
from activity.verifying import verify
from tenants.certificates import canonical
from tenants.context import enter_platform, enter_tenant
from tenants.errors import Conflict
from tenants.models import Operation
from tests.activity.settling import settle

NAME, USERNAME, EMAIL = "Mallory Quistgaard", "mallory.q", "mallory@quistgaard.example"
IP, AGENT = "203.0.113.77", "Quistgaard-Browser/7"
CANARIES = ("quistgaard", "mallory", IP)


def person_called(username=USERNAME, email=EMAIL, name=NAME, **fields):
    return CustomUser.objects.create_user(
        username=username, email=email, display_name=name, password="x" * 20, **fields
    )


def as_them(user):
    actor = Actor(ActorKind.PERSON, str(user.public_id), f"{NAME} ({USERNAME})")
    return acting_as(Context(actor=actor, channel=Channel.PAGE, ip=IP, user_agent=AGENT))


def found_anywhere(schemas, words=CANARIES):
    """Every row of every table of some schemas that holds one of the words, as text."""
    found = []
    with connection.cursor() as cursor:
        for schema in schemas:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
                " AND relkind IN ('r', 'p')",
                [f'"{schema}"'],
            )
            for (table,) in cursor.fetchall():
                cursor.execute(
                    f'SELECT t::text FROM "{schema}"."{table}" AS t WHERE t::text ~* %s LIMIT 5',
                    ["|".join(words)],
                )
                found += [(schema, table, row) for (row,) in cursor.fetchall()]
    return found


def found_in_redis(lab, words=CANARIES):
    """Return keys that hold a word, but for those of other tenants: it is theirs to say there."""
    client = cache._cache.get_client(None)
    found = []
    for key in client.scan_iter(count=1000):
        whose = re.match(rb"tenantry:([0-9a-f-]{36}):", key)
        if whose and whose[1].decode() != str(lab.pk):
            continue
        kind = client.type(key)
        value = {
            b"string": client.get,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"hash": client.hgetall,
            b"zset": lambda key: client.zrange(key, 0, -1),
        }[kind](key)
        found += [key for word in words if word in f"{key!r}{value!r}".lower()]
    return found


def found_in_files(words=CANARIES):
    return [
        str(path)
        for path in Path(settings.EMAIL_FILE_PATH).rglob("*")
        if path.is_file() and any(word.encode() in path.read_bytes().lower() for word in words)
    ]


def lived(events=40):
    """Make a person who has left traces wherever the product leaves some."""
    owner = CustomUser.objects.create_superuser("owner", "owner@lab.example", "y" * 20)
    user = person_called()
    group = Group.objects.create(name="Finance")
    user.groups.add(group)
    user.display_name = "Mallory Quistgaard-Vale"
    user.save()
    user.display_name = NAME
    user.save()
    invite(user)
    with as_them(user):
        owner.display_name = "Owner"
        owner.save()
        group.name = "Finance and more"
        group.save()
        with transaction.atomic():
            for _ in range(events - 10):
                record("session.started", target=user)
    anonymous = Context(
        actor=Actor(ActorKind.ANONYMOUS, label="somebody unknown"), channel=Channel.PAGE, ip=IP
    )
    with acting_as(anonymous):
        record("session.failed", target=user, outcome="failure")
    # Somebody else did it for them, or names them.
    record(
        "export.requested",
        target=Subject("export", "events", "events"),
        details={"format": "csv", "filters": f"actor:{EMAIL}"},
    )
    record("group.changed", target=group, reason=f"asked for by {NAME}")
    cache.set(f"session-refused:{IP}", 1, timeout=60)
    return user, owner


@pytest.fixture
def browser_of(lab):
    def open_browser(user):
        client = Client(headers={"host": f"{lab.slug}.localhost:8000"})
        with enter_tenant(lab):
            client.force_login(user)
        return client

    return open_browser


def test_a_person_is_gone_from_everywhere_and_the_record_is_intact(
    lab, browser_of, tmp_path, settings
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    with enter_tenant(lab):
        user, _ = lived(events=60)
        key = user.pk
        settle()
        fold_all()
        client = browser_of(user)
        assert client.get("/").status_code == 200
        before = verify()
        assert before.wrong is None
        assert found_in_files()
        assert found_anywhere([lab.schema_name])
        count = ActivityEvent.objects.count()

        certificate = erasing.erase(people().find(EMAIL), "request 4711")

        assert found_anywhere([lab.schema_name, "public"]) == []
        assert found_in_redis(lab) == []
        assert found_in_files() == []
        assert verify().wrong is None
        settle()
        assert verify().wrong is None
        assert ActivityEvent.objects.count() >= count + 2
        assert not CustomUser.objects.filter(pk=key).exists()
        assert certificate.document["found"]["events (who)"] >= 50
        assert certificate.document["pseudonym"] == pseudonym(str(user.public_id))
    # Their cookie opens nothing.
    assert client.get("/").status_code == 302


def fold_all():
    fold(timezone.now())


def erased(text=EMAIL, reason="request 4711"):
    return erasing.erase(people().find(text), reason)


def test_ten_thousand_events_are_erased_and_every_table_is_searched(lab, tmp_path, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    with enter_tenant(lab):
        user, _ = lived()
        # As many more, written by the database in one statement as it writes one.
        names = [
            field.column
            for field in ActivityEvent._meta.local_fields
            if field.column not in ("id", "occurred_at", "xid", "cluster")
            and not field.column.endswith(("salt", "commitment"))
        ]
        columns = ", ".join(names)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO activity_activityevent ({columns}) SELECT {columns} FROM"
                " (SELECT * FROM activity_activityevent WHERE actor_id = %s LIMIT 25) one,"
                " generate_series(1, 400)",
                [str(user.public_id)],
            )
        settle()
        fold_all()
        assert ActivityEvent.objects.filter(actor_id=str(user.public_id)).count() >= 10_000
        assert verify().wrong is None

        certificate = erased()

        assert certificate.document["found"]["events (who)"] >= 10_000
        assert found_anywhere([lab.schema_name, "public"]) == []
        assert found_in_redis(lab) == []
        assert found_in_files() == []
        settle()
        assert verify().wrong is None


def test_events_that_are_not_sealed_yet_are_erased_and_then_sealed(lab):
    with enter_tenant(lab):
        lived()
        erased()
        assert found_anywhere([lab.schema_name]) == []
        settle()
        assert verify().wrong is None


def test_the_events_stay_under_a_pseudonym(lab):
    with enter_tenant(lab):
        user, _ = lived()
        person = str(user.public_id)
        before = ActivityEvent.objects.filter(actor_id=person).count()
        erased()

        theirs = ActivityEvent.objects.filter(actor_id=person)
        assert theirs.count() == before
        assert {str(event) for event in theirs.filter(action="session.started")} == {
            f"erased person {person[-8:]} signed in"
        }
        [begun] = ActivityEvent.objects.filter(action="user.erased", target_id=person)
        assert (begun.reason, begun.target_label) == ("request 4711", pseudonym(person))


def test_somebody_else_keeps_what_is_theirs(lab):
    with enter_tenant(lab):
        _, owner = lived()
        other = person_called("mal", "mal@lab.example", "Mal Lory")
        with acting_as(
            Context(
                actor=Actor(ActorKind.PERSON, str(other.public_id), "Mal Lory"),
                ip=IP,
                channel=Channel.PAGE,
            )
        ):
            mine = record("group.changed", target=Subject("group", "1", "x"), reason="mallory's")
        # Another who had the same name: nothing is erased by it.
        person_called("second", "second@lab.example", NAME)
        about = record("export.requested", details={"format": "csv", "filters": f"target:{NAME}"})
        erased()

        mine.refresh_from_db()
        about.refresh_from_db()
        assert (mine.actor_label, mine.ip) == ("Mal Lory", IP)
        assert about.details == {"format": "csv", "filters": f"target:{NAME}"}
        changed = ActivityEvent.objects.get(action="user.changed", target_id=str(owner.public_id))
        assert changed.target_label.endswith("(owner)")
        assert changed.changes
        assert changed.actor_label == ""


def test_the_certificate_is_signed_and_names_nobody(lab):
    with enter_tenant(lab):
        user, _ = lived()
        certificate = erased()

        event = ActivityEvent.objects.get(action="record.erased")
        assert certificates.certificate_of(str(user.public_id)) == certificate
        text = canonical(certificate.document)
        assert event.details["certificate"].encode() == text
        raw = b64decode(certificate.signature)
        verifier = keys.verifiers()[(certificate.key, raw[:4])]
        assert verifier.is_good(certificates.HEADING + text, raw[4:])
        assert not verifier.is_good(certificates.HEADING + text + b" ", raw[4:])
        assert not any(word in json.dumps(event.details).lower() for word in CANARIES)


def test_erasing_again_says_that_it_is_so(lab, capsys):
    with enter_tenant(lab):
        user, _ = lived()
    options = ["--tenant", lab.slug, "--reason", "request 4711", "--yes", "--json"]
    call_command("activity", "erase", "--subject", USERNAME.upper(), *options)
    first = json.loads(capsys.readouterr().out)
    call_command("activity", "erase", "--subject", str(user.public_id), *options)
    second = json.loads(capsys.readouterr().out)

    assert (first["changed"], second["changed"]) == (True, False)
    assert first["certificate"] == second["certificate"]
    assert first["person"] == str(user.public_id)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--subject", "nobody", "--reason", "x", "--yes"], 3),
        (["--subject", EMAIL, "--reason", " ", "--yes"], 2),
        (["--subject", EMAIL, "--reason", "x" * 501, "--yes"], 2),
        (["--subject", EMAIL, "--reason", f"asked by {NAME.upper()}", "--yes"], 2),
        (["--subject", EMAIL, "--reason", "x", "--json"], 2),
        (["--subject", "owner", "--reason", "x", "--yes"], 4),
    ],
)
def test_what_cannot_be_erased_is_refused_and_nothing_is_changed(lab, arguments, status):
    with enter_tenant(lab):
        lived()
        before = ActivityEvent.objects.count()
    with pytest.raises(CommandError) as error:
        call_command("activity", "erase", "--tenant", lab.slug, *arguments)
    with enter_tenant(lab):
        assert error.value.returncode == status
        assert ActivityEvent.objects.count() == before
        assert CustomUser.objects.filter(email=EMAIL).exists()


def test_a_dry_run_counts_and_changes_nothing(lab, capsys):
    with enter_tenant(lab):
        lived()
        before = ActivityEvent.objects.count()
    call_command(
        "activity", "erase", "--tenant", lab.slug, "--subject", EMAIL, "--reason", "x",
        "--dry-run", "--json",
    )  # fmt: skip
    would = json.loads(capsys.readouterr().out)["would_find"]
    with enter_tenant(lab):
        assert would["events (who)"] > 30
        assert would["events (mentions)"] == 2
        assert ActivityEvent.objects.count() == before


def test_an_erasure_that_was_killed_is_carried_on(lab, monkeypatch):
    with enter_tenant(lab):
        user, _ = lived()
        with monkeypatch.context() as patch:
            patch.setattr(erasing, "_own_events", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                erased()
        assert not CustomUser.objects.filter(pk=user.pk).exists()
        assert erasing.unfinished() == {str(user.public_id)}
        settle()

        assert erasing.sweep() == 1

        assert found_anywhere([lab.schema_name]) == []
        assert erasing.unfinished() == set()
        settle()
        assert verify().wrong is None


def test_what_a_late_request_left_is_swept(lab):
    with enter_tenant(lab):
        user, _ = lived()
        erased()
        with as_them(user):
            record("session.ended", target=user)
        assert found_anywhere([lab.schema_name])

        assert erasing.sweep() == 1
        assert erasing.sweep() == 0
        assert found_anywhere([lab.schema_name]) == []


def test_somebody_whose_account_was_removed_before_can_be_erased(lab):
    with enter_tenant(lab):
        user, _ = lived()
        user.delete()
        erased()
        assert found_anywhere([lab.schema_name]) == []


def test_what_was_asked_for_about_a_tenant_keeps_its_name_and_loses_theirs(lab):
    """Who is called as their organisation is does not take its name away."""
    asked = {"slug": lab.slug, "name": "Lab", "admin_email": EMAIL, "reason": "asked by LAB."}
    with enter_platform():
        done = Operation.objects.create(
            kind="create", tenant=lab, request=asked, state="finished", actor={"label": "label"}
        )
    with enter_tenant(lab):
        CustomUser.objects.create_superuser("owner", "owner@lab.example", "y" * 20)
        user = person_called(username="lab")
        erased(EMAIL)
    with enter_platform():
        done.refresh_from_db()
    gone = pseudonym(str(user.public_id))
    assert done.request == asked | {"admin_email": gone, "reason": gone}
    assert done.actor == {"label": "label"}


def test_addresses_that_went_with_the_account_are_still_looked_for(lab):
    """The panel ends the account at once, and a worker looks for the names later."""
    with enter_tenant(lab):
        user, _ = lived()
        EmailAddress.objects.create(user=user, email="private@vale.example")
        EmailAddress.objects.create(user=user, email="former@vale.example").delete()
        for address in ("private@vale.example", "former@vale.example"):
            record("export.requested", details={"format": "csv", "filters": f"actor:{address}"})
        erasing.begin(people().find(EMAIL), "request 4711")
        assert erasing.sweep() == 1
        assert found_anywhere([lab.schema_name, "public"], ["vale.example"]) == []


def test_sessions_that_a_removed_account_has_left_are_ended(lab, browser_of):
    with enter_tenant(lab):
        user, _ = lived()
        browser_of(user)
        user.delete()
        assert Session.objects.count() == 1
        certificate = erased()
        assert not Session.objects.exists()
        assert certificate.document["found"]["django_session"] == 1


def test_a_legal_hold_wins(lab):
    with enter_tenant(lab):
        user, owner = lived()
        holds.place(user.public_id, "case 1")
        with pytest.raises(Conflict, match="legal hold covers") as refused:
            erased()
        assert "on the page Retention or with activity hold" in refused.value.hint
        holds.release(user.public_id, "closed")
        # An event of both must be kept whole for the sake of the other.
        holds.place(owner.public_id, "case 2")
        with pytest.raises(Conflict, match="of somebody under a legal hold"):
            erased()
        holds.release(owner.public_id, "closed")
        holds.place(uuid.UUID(int=0), "case 3")
        with pytest.raises(Conflict):
            erased()
        assert CustomUser.objects.filter(pk=user.pk).exists()


# The door through the triggers


ERASE = "SELECT * FROM activity_erase(%s, %s, %s::uuid[], 1000)"


def asked(person, names=(), mentions=()):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ERASE, [person, list(names), list(map(str, mentions))])
        return cursor.fetchone()


def test_the_function_erases_nobody_of_whom_the_record_does_not_say_so(lab):
    with enter_tenant(lab):
        user, _ = lived()
        for person in (str(user.public_id), "", "x"):
            with pytest.raises(DatabaseError, match="does not say"):
                asked(person)


def test_the_function_heeds_a_hold(lab):
    with enter_tenant(lab):
        user, owner = lived()
        record("user.erased", target=Subject("user", str(user.public_id), "x"))
        holds.place(owner.public_id, "case 2")
        asked(str(user.public_id))
        changed = ActivityEvent.objects.get(action="user.changed", target_id=str(owner.public_id))
        assert changed.actor_label
        holds.place(user.public_id, "case 1")
        with pytest.raises(DatabaseError, match="legal hold"):
            asked(str(user.public_id))


def test_the_function_empties_no_event_that_does_not_hold_the_name(lab):
    with enter_tenant(lab):
        user, _ = lived()
        record("user.erased", target=Subject("user", str(user.public_id), "x"))
        event = record("export.requested", details={"format": "csv", "filters": "actor:somebody"})
        assert asked(str(user.public_id), ["quistgaard"], [event.pk])[2] == 0
        with pytest.raises(DatabaseError, match="fewer than 3"):
            asked(str(user.public_id), ["a"], [event.pk])


def test_the_erasures_themselves_cannot_be_erased(lab):
    with enter_tenant(lab):
        user, _ = lived()
        erased()
        kept = ActivityEvent.objects.filter(
            action__in=["user.erased", "record.erased"], target_id=str(user.public_id)
        )
        ids = list(kept.values_list("pk", flat=True))
        asked(str(user.public_id), ["erased", "request 4711"], ids)
        assert all(event.target_salt is not None for event in kept.all())


FORGED = [
    "UPDATE activity_activityevent SET reason = 'x'",
    "UPDATE activity_activityevent SET actor_label = '', actor_salt = NULL",
    """UPDATE activity_activityevent SET actor_salt = NULL, actor_commitment = '\\x00', ip = NULL,
    actor_label = '', session_ref = '', user_agent = '', on_behalf_of_label = ''""",
    "UPDATE activity_activityevent SET target_salt = '\\x00'",
    "UPDATE activity_activityevent SET action = 'user.created'",
    "UPDATE activity_activityevent SET actor_id = 'x'",
    "UPDATE activity_activityevent SET xid = xid + 1",
    "DELETE FROM activity_activityevent",
    "UPDATE activity_segment SET cut = cut + 1",
    "DELETE FROM activity_segment",
]


@pytest.mark.parametrize("statement", FORGED)
@pytest.mark.parametrize("door", ["", "erase"])
def test_the_triggers_let_nothing_pass_but_an_erasure(lab, statement, door):
    with enter_tenant(lab):
        lived()
        settle()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('tenantry.door', %s, true)", [door])
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(statement)
        assert verify().wrong is None


def test_the_door_is_closed_behind_an_erasure(lab):
    with enter_tenant(lab), transaction.atomic():
        lived()
        erased()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('tenantry.door', true)")
            assert cursor.fetchone() == ("",)


def test_the_functions_find_nothing_by_the_callers_path(lab):
    """A temporary table of the same name, with a trigger, would run code as the owner."""
    with enter_tenant(lab):
        user, _ = lived()
        record("user.erased", target=Subject("user", str(user.public_id), "x"))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE activity_activityevent (LIKE activity_activityevent)"
                " ON COMMIT DROP"
            )
            cursor.execute(ERASE, [str(user.public_id), [], []])
            assert cursor.fetchone()[0] > 30
            cursor.execute(
                "SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'activity_erase'"
                " AND pronamespace = %s::regnamespace",
                [lab.schema_name],
            )
            assert cursor.fetchone() == (True, ["search_path=pg_catalog, pg_temp"])


def test_an_erased_event_is_still_proven(lab):
    with enter_tenant(lab):
        user, _ = lived()
        settle()
        erased()
        event = ActivityEvent.objects.filter(actor_id=str(user.public_id)).first()
        proof = prove(str(event.pk))
        checkpoint = notes.checked(proof.checkpoint, keys.verifiers())
        assert tree.is_included(
            leaf_hash(proof.leaf), proof.number, checkpoint.size, proof.path, checkpoint.root
        )


def test_what_was_asked_for_about_the_tenant_names_nobody(lab):
    with enter_platform():
        asked = Operation.objects.filter(tenant=lab).first()
        asked.request = {"admin_email": EMAIL.upper(), "others": [NAME, "Lab"]}
        asked.actor = {"label": f"{NAME} ({USERNAME})", "kind": "person"}
        asked.save()
    with enter_tenant(lab):
        user, _ = lived()
        erased()
        assert found_anywhere(["public"]) == []
    with enter_platform():
        asked.refresh_from_db()
        name = pseudonym(str(user.public_id))
        assert asked.request == {"admin_email": name, "others": [name, "Lab"]}
        assert asked.actor == {"label": name, "kind": "person"}


def test_an_operator_is_erased_in_the_records_of_tenants_too(lab):
    with enter_platform():
        olga = person_called("olga.operates", "olga@quistgaard.example", "Olga Quistgaard")
        CustomUser.objects.create_superuser("second", "second@platform.example", "y" * 20)
        key = olga.pk
    actor = Actor(ActorKind.PERSON, str(olga.public_id), "Olga Quistgaard (olga.operates)")
    try:
        with enter_tenant(lab), acting_as(Context(actor=actor, channel=Channel.PAGE, ip=IP)):
            record("tenant.suspended", target=Subject("tenant", str(lab.pk), "Lab"))
        with enter_tenant(lab):
            assert found_anywhere([lab.schema_name])
        with enter_platform():
            erased("olga@quistgaard.example")
            assert found_anywhere([lab.schema_name, "public"], ("quistgaard", "olga", IP)) == []
            assert not CustomUser.objects.filter(pk=key).exists()
        with enter_tenant(lab):
            assert ActivityEvent.objects.filter(action="user.erased").count() == 1
            settle()
            assert verify().wrong is None
    finally:
        with enter_platform():
            CustomUser.objects.filter(username__in=["second", "olga.operates"]).delete()


def test_an_operator_who_is_called_like_somebody_of_a_tenant_leaves_them_alone(lab):
    with enter_tenant(lab):
        owner = CustomUser.objects.create_superuser("quistgaard", "q@lab.example", "y" * 20)
        told = record("export.requested", details={"format": "csv", "filters": "actor:quistgaard"})
        with transaction.atomic():
            kept = saved.save(owner, "Mine", "actor:quistgaard", is_shared=True)
            gone = saved.save(owner, "Olga's", f"actor:{EMAIL}", is_shared=True)
    with enter_platform():
        person_called("quistgaard")
        try:
            erased(EMAIL)
        finally:
            CustomUser.objects.filter(username="quistgaard").delete()
    with enter_tenant(lab):
        told.refresh_from_db()
        assert told.details["filters"] == "actor:quistgaard"
        assert [one.pk for one in SavedSearch.objects.all()] == [kept.pk]
        assert not ActivityEvent.objects.filter(details__search__contains=EMAIL).exists()
        withdrawn = ActivityEvent.objects.get(action="search.withdrawn")
        assert withdrawn.target_id == str(gone.pk)


def test_what_the_platform_was_told_of_a_first_administrator_is_erased(lab):
    with enter_platform():
        record(
            "tenant.created",
            target=Subject("tenant", str(lab.pk), "Lab"),
            reason=f"asked for by {EMAIL}",
        )
        assert found_anywhere(["public"])
    with enter_tenant(lab):
        lived()
        erased()
        assert found_anywhere(["public"]) == []
