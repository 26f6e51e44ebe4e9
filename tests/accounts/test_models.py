"""People as rows: what is unique, what is stored, and the words to ask for them."""

from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from accounts.models import CustomUser
from tenants.context import enter_platform, enter_tenant
from tests.conftest import PASSWORD


def make(username="pia", email="pia@acme.example", **fields):
    return CustomUser.objects.create_user(username, email, PASSWORD, **fields)


# One spelling each


@pytest.mark.parametrize(
    "door",
    [
        lambda: make("PIA", "Pia@ACME.Example"),
        lambda: CustomUser.objects.create(username="PIA", email=" Pia@ACME.Example "),
        lambda: CustomUser.objects.create_superuser("PIA", "Pia@ACME.Example", PASSWORD),
        lambda: CustomUser.objects.get_or_create(username="PIA", email="Pia@ACME.Example")[0],
    ],
)
def test_name_and_address_are_stored_in_lower_case_by_every_door(in_acme, door):
    pia = door()

    pia.refresh_from_db()
    assert (pia.username, pia.email) == ("pia", "pia@acme.example")


def test_validation_lowers_too_so_that_a_form_finds_the_taken_one(in_acme, ann):
    twin = CustomUser(username="ANN", email="ANN@acme.EXAMPLE", password="!")

    with pytest.raises(ValidationError) as refused:
        twin.full_clean()

    assert "Somebody has this user name already. Choose another one." in refused.value.messages
    assert "Somebody has this e-mail address already." in refused.value.messages


@pytest.mark.parametrize(
    ("username", "email"),
    [
        ("ann", "other@acme.example"),
        ("ANN", "other@acme.example"),
        ("other", "ann@acme.example"),
        ("other", "ANN@acme.example"),
    ],
)
def test_neither_name_nor_address_is_taken_twice_in_any_case(in_acme, ann, username, email):
    with pytest.raises(IntegrityError), transaction.atomic():
        make(username, email)

    assert CustomUser.objects.filter(username__iexact="ann").count() == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("username", "PIA"),
        ("email", "PIA@acme.example"),
        ("email", ""),
        ("email", "ann@acme.example"),
    ],
)
def test_the_database_refuses_what_python_would_not_write(in_acme, ann, column, value):
    pia = make()

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE accounts_customuser SET {column} = %s WHERE id = %s", [value, pia.pk]
        )


def test_the_same_name_and_address_may_be_at_both_tenants(acme, globex):
    with enter_tenant(acme):
        here = make()
    with enter_tenant(globex):
        there = make()

    assert here.public_id != there.public_id


def test_nobody_is_without_an_address(in_acme):
    with pytest.raises(IntegrityError), transaction.atomic():
        make(email="")


@effort(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(min_size=1, max_size=20))
def test_whatever_passes_validation_is_found_again_by_what_was_typed(in_acme, typed):
    person = CustomUser(username=typed, email="typed@acme.example", password="!")
    try:
        person.full_clean()
    except ValidationError:
        return

    with transaction.atomic():
        person.save()
        found = CustomUser.objects.by_login(typed)
        key = person.pk
        person.delete()

    assert found is not None
    assert found.pk == key


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u202eb", "a\u2028b", "\0", "x" * 151])
def test_a_name_to_show_is_one_printable_line(in_acme, name):
    pia = CustomUser(username="pia", email="pia@acme.example", password="!", display_name=name)

    with pytest.raises(ValidationError):
        pia.full_clean()


# Who they are


def test_a_public_id_is_the_databases_and_tells_nothing_of_the_key(in_acme):
    pia, max_ = make(), make("max", "max@acme.example")

    assert pia.public_id.version == 7
    assert pia.public_id < max_.public_id
    pia.refresh_from_db()
    assert pia.public_id.version == 7


def test_a_person_is_called_by_name_or_else_by_user_name(in_acme):
    named, plain = make(display_name="Pia Lee"), make("max", "max@acme.example")

    assert (str(named), named.get_full_name(), named.get_short_name()) == ("Pia Lee",) * 3
    assert str(plain) == "max"


# The words to ask with


def usernames(people):
    return sorted(people.values_list("username", flat=True))


def test_the_words_for_asking_say_what_they_mean(in_acme, ann, bob, cleo):
    CustomUser.objects.filter(pk=cleo.pk).update(is_active=False)
    CustomUser.objects.filter(pk=bob.pk).update(last_login=timezone.now())
    people = CustomUser.objects

    assert usernames(people.active()) == ["ann", "bob"]
    assert usernames(people.deactivated()) == ["cleo"]
    assert usernames(people.administrators()) == ["ann"]
    assert usernames(people.panel_users()) == ["ann", "bob"]
    assert usernames(people.never_signed_in()) == ["ann", "cleo"]
    assert usernames(people.active().panel_users().never_signed_in()) == ["ann"]


@pytest.mark.parametrize("typed", ["ann", " ANN ", "Ann@acme.EXAMPLE"])
def test_a_login_finds_its_person(in_acme, ann, typed):
    assert CustomUser.objects.by_login(typed) == ann


def test_one_name_in_two_spellings_of_unicode_is_one_name(in_acme):
    make("\uff30ia", "pia@acme.example")

    with pytest.raises(IntegrityError), transaction.atomic():
        make("pia", "other@acme.example")
    assert CustomUser.objects.by_login("p\uff29a").username == "pia"


@pytest.mark.parametrize("typed", ["", " ", "\0", "an", "ann%", "sam", "sam@globex.example"])
def test_a_login_finds_nobody_else(in_acme, ann, typed):
    assert CustomUser.objects.by_login(typed) is None


def test_a_user_name_that_is_somebody_elses_address_opens_no_doubt(in_acme, ann):
    make("ann@acme.example", "other@acme.example")

    assert CustomUser.objects.by_login("ann@acme.example") == ann


# Bound to the place


def test_the_session_hash_is_of_one_tenant(acme, globex, ann):
    with enter_tenant(acme):
        here = ann.get_session_auth_hash()
    with enter_tenant(globex):
        there = ann.get_session_auth_hash()
        fallback = list(ann.get_session_auth_fallback_hash())
    with enter_platform():
        platform = ann.get_session_auth_hash()

    assert len({here, there, platform}) == 3
    assert here not in fallback


def test_a_retired_key_does_not_unbind_sessions(acme, globex, ann, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    with enter_tenant(acme):
        here = set(ann.get_session_auth_fallback_hash())
    with enter_tenant(globex):
        there = set(ann.get_session_auth_fallback_hash())

    assert here
    assert not here & there


def test_the_session_hash_changes_with_the_password(in_acme, ann):
    before = ann.get_session_auth_hash()

    ann.set_password("another sentence entirely")

    assert ann.get_session_auth_hash() != before


# Time zones


@pytest.mark.parametrize(
    "name", ["Mars/Dome", "../../etc/passwd", "/etc/passwd", "europe/berlin\0", "UTC+1", "a" * 64]
)
def test_a_time_zone_that_is_none_is_refused_with_an_example(in_acme, name):
    pia = CustomUser(username="pia", email="pia@acme.example", password="!", time_zone=name)

    with pytest.raises(ValidationError) as refused:
        pia.full_clean()

    assert "Europe/Berlin" in " ".join(refused.value.messages) or "Null" in str(refused.value)


def test_times_are_of_the_persons_zone_or_else_of_the_organisations(acme, ann):
    acme.time_zone = "Asia/Tokyo"
    with enter_tenant(acme):
        organisations = ann.zone
        ann.time_zone = "Europe/Berlin"
        own = ann.zone
    with enter_platform():
        ann.time_zone = ""
        platforms = ann.zone

    assert organisations == ZoneInfo("Asia/Tokyo")
    assert own == ZoneInfo("Europe/Berlin")
    assert platforms == ZoneInfo("UTC")


def test_a_page_shows_times_in_the_zone_of_its_reader_and_the_next_one_does_not(
    browser, acme, ann, bob
):
    with enter_tenant(acme):
        ann.time_zone = "Asia/Kathmandu"
        ann.save()
    list_page = "/admin/activity/activityevent/"

    hers = browser(acme, ann).get(list_page)
    afterwards = timezone.get_current_timezone_name()
    his = browser(acme, bob).get(list_page)

    with enter_tenant(acme):
        event = hers.context["cl"].result_list[0]
    there = event.occurred_at.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert f"{there:%Y-%m-%d %H:%M:%S}" in hers.text
    assert f"{there:%Y-%m-%d %H:%M:%S}" not in his.text
    assert afterwards == "UTC"
