"""What is kept of a record outside it: a clean end that was cut off is found by it."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from activity.models import ActivityEvent, Segment
from activity.sealing import keys, notes, outside, sealer, witnesses
from activity.verifying import verify
from tenants.context import PLATFORM, enter_platform, enter_tenant
from tenants.errors import InvalidInput
from tenants.models import DailyCheckpoint, RecordHead
from tests.activity.settling import seal, settle
from tests.activity.test_sealing import happen
from tests.activity.test_verifying import TABLES, owner, sealed

__all__ = ["sealed"]


def head(tenant):
    with enter_platform():
        return RecordHead.objects.get(pk=tenant.pk)


def cut_off(tables=TABLES):
    """Take the last segment away, cleanly: events, hashes and segment."""
    last = Segment.objects.order_by("-number").first()
    before = Segment.objects.get(number=last.number - 1)
    with owner() as cursor:
        cursor.execute(
            "DELETE FROM activity_activityevent WHERE (xid, id) > (%s, %s)",
            [before.xid, before.event_id],
        )
        cursor.execute("DELETE FROM activity_segment WHERE number = %s", [last.number])
        cursor.execute(
            "UPDATE activity_tile SET hashes = substr(hashes, 1, %s)"
            " WHERE (level, index) = (0, %s)",
            [before.size % 256 * 32, before.size // 256],
        )
    return last


def test_the_newest_checkpoint_and_the_days_last_are_kept_outside_the_schema(sealed):
    last = Segment.objects.order_by("-number").first()
    with enter_platform():
        days = list(DailyCheckpoint.objects.filter(record=sealed.pk))

    assert (head(sealed).number, head(sealed).note) == (last.number, last.note)
    assert [(day.size, day.note) for day in days] == [(last.size, last.note)]


def test_an_end_that_is_cut_off_cleanly_is_a_record_cut_short(sealed):
    size = Segment.objects.order_by("-number")[1].size
    cut_off()

    wrong = verify().wrong

    assert (wrong.kind, wrong.number) == ("truncated", size)
    assert "the platform's newest" in wrong.what


def test_a_record_that_goes_on_after_its_end_was_cut_off_is_found_too(sealed):
    last = cut_off()
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    happen(30)
    settle()

    assert verify().wrong.kind == "altered"
    assert head(sealed).size == last.size


def test_a_copy_that_is_not_there_is_missed(sealed):
    with owner() as cursor:
        cursor.execute("ALTER TABLE public.tenants_recordhead DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE public.tenants_dailycheckpoint DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM public.tenants_recordhead WHERE record = %s", [str(sealed.pk)])
        cursor.execute(
            "DELETE FROM public.tenants_dailycheckpoint WHERE record = %s", [str(sealed.pk)]
        )
        cursor.execute("ALTER TABLE public.tenants_recordhead ENABLE TRIGGER USER")
        cursor.execute("ALTER TABLE public.tenants_dailycheckpoint ENABLE TRIGGER USER")

    assert verify().wrong.kind == "missing"
    seal()
    assert verify().wrong is None


@pytest.mark.parametrize("table", ["tenants_recordhead", "tenants_dailycheckpoint"])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {}",
        "TRUNCATE {}",
        "UPDATE {} SET size = size - 1",
        "UPDATE {} SET record = 'x'",
    ],
)
def test_the_database_takes_nothing_back_of_what_is_kept(sealed, table, statement):
    with pytest.raises(DatabaseError, match="only grows"), connection.cursor() as cursor:
        cursor.execute(statement.format(f"public.{table}"))


def test_anothers_copies_are_none_of_ours(sealed, platform_is_sealed):
    assert verify().wrong is None


@pytest.fixture
def platform_is_sealed():
    with transaction.atomic():
        with enter_platform():
            seal()
            assert RecordHead.objects.filter(pk=PLATFORM).exists()
        yield
        # Other tests take events of the platform back, which what is kept would tell of.
        transaction.set_rollback(True)


def test_a_checkpoint_never_looks_older_than_the_one_before_it(lab):
    with enter_tenant(lab):
        happen()
        settle()
        first = Segment.objects.order_by("-number").first()
        happen()
        while not sealer.seal(timezone.now().replace(year=2000)).events:
            pass
        last = Segment.objects.order_by("-number").first()

        assert last.number > first.number
        assert last.sealed_at == first.sealed_at
        assert notes.checked(last.note, keys.verifiers()).sealed_at == first.sealed_at
        assert verify().wrong is None


class TestSince:
    def test_it_begins_at_the_segment_that_holds_the_event(self, sealed):
        segments = list(Segment.objects.order_by("number"))
        verdict = verify(segments[-1].first)

        assert verdict.wrong is None
        assert (verdict.since, verdict.events) == (segments[-1].first, segments[-1].events)

    def test_from_a_day_on_everything_sealed_since_is_looked_at(self, sealed):
        verdict = verify(Segment.objects.earliest("number").sealed_at.date())

        assert (verdict.since, verdict.events) == (0, ActivityEvent.objects.count())

    def test_what_is_wrong_before_is_not_looked_at_and_what_is_wrong_after_is_found(self, sealed):
        start = Segment.objects.order_by("-number").first().first
        with owner() as cursor:
            cursor.execute(
                "UPDATE activity_activityevent SET reason = 'x'"
                " WHERE id = (SELECT id FROM activity_activityevent ORDER BY xid, id LIMIT 1)"
            )
        assert verify(start).wrong is None
        with owner() as cursor:
            cursor.execute("UPDATE activity_activityevent SET reason = 'x'")

        assert (verify(start).wrong.kind, verify(start).wrong.number) == ("altered", start)

    def test_hashes_before_it_must_lead_to_the_root_that_was_signed(self, sealed):
        with owner() as cursor:
            cursor.execute(
                "UPDATE activity_tile SET hashes = overlay(hashes placing '\\x00' from 1)"
                " WHERE (level, index) = (1, 0)"
            )

        assert verify(Segment.objects.order_by("-number").first().first).wrong.kind == "altered"

    def test_past_the_end_there_is_nothing_to_begin_at(self, sealed):
        with pytest.raises(InvalidInput, match="past what is sealed"):
            verify(10**9)

    def test_a_day_on_which_nothing_was_sealed_begins_at_the_end(self, sealed):
        tomorrow = timezone.now().date() + timedelta(days=1)
        verdict = verify(tomorrow)
        assert (verdict.since, verdict.events) == (ActivityEvent.objects.count(), 0)
        assert verdict.wrong is None

        cut_off()

        assert verify(tomorrow).wrong.kind == "truncated"


class TestWitnessFile:
    def kept(self, file, tenant):
        return outside.in_file(file, f"tenantry/{tenant.pk}", keys.verifiers())

    @pytest.fixture
    def file(self, tmp_path, sealed):
        file = tmp_path / "checkpoints"
        witnesses.append(file, [segment.note for segment in Segment.objects.order_by("number")])
        return file

    def test_a_record_that_was_rolled_back_with_the_platforms_copies_is_found(self, sealed, file):
        last = cut_off()
        with owner() as cursor:
            for table in ("tenants_recordhead", "tenants_dailycheckpoint"):
                before = Segment.objects.order_by("-number").first()
                cursor.execute(f"ALTER TABLE public.{table} DISABLE TRIGGER USER")
                more = ", number = number - 1, sealed_at = %s" if "head" in table else ""
                cursor.execute(
                    f"UPDATE public.{table} SET size = %s, note = %s{more} WHERE record = %s",
                    [
                        before.size,
                        before.note,
                        *([before.sealed_at] if more else []),
                        str(sealed.pk),
                    ],
                )
                cursor.execute(f"ALTER TABLE public.{table} ENABLE TRIGGER USER")
        kept, unreadable = self.kept(file, sealed)

        assert verify().wrong is None
        wrong = verify(witnessed=kept).wrong
        assert (wrong.kind, unreadable) == ("truncated", [])
        assert f"a checkpoint of {last.size} was kept" in wrong.what

    def test_an_intact_record_meets_all_of_them(self, sealed, file):
        kept, _ = self.kept(file, sealed)

        assert len(kept) == Segment.objects.count()
        assert verify(witnessed=kept).wrong is None

    def test_a_torn_note_costs_only_itself(self, sealed, file):
        whole = file.read_bytes()
        file.write_bytes(whole[:-40])
        witnesses.append(file, [Segment.objects.order_by("-number").first().note])
        kept, unreadable = self.kept(file, sealed)

        assert len(kept) == Segment.objects.count()
        assert len(unreadable) == 1
        assert file.read_bytes().startswith(whole[:-40] + b"\n")

    def test_a_note_that_nobody_signed_does_not_count(self, sealed, file):
        file.write_text(file.read_text().replace("\nsealed 2", "\nsealed 3", 1))

        assert len(self.kept(file, sealed)[1]) == 1

    def test_notes_of_others_are_passed_over(self, sealed, file):
        assert outside.in_file(file, "tenantry/platform", keys.verifiers()) == ([], [])

    @pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"no checkpoint\n"])
    def test_a_file_without_checkpoints_is_refused(self, tmp_path, content):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(InvalidInput, match="no checkpoint"):
            outside.in_file(tmp_path / "other", "tenantry/platform", {})

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path):
        with pytest.raises(InvalidInput, match="cannot be read: No such file"):
            outside.in_file(tmp_path / "none", "tenantry/platform", {})
