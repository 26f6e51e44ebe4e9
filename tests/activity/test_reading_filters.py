"""The filters beside the search box, and saved searches: one language, and nobody else's."""

import uuid

import pytest
from django.contrib.auth.models import Group
from django.http import QueryDict
from django.utils.html import escape
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import CustomUser
from activity.models import SavedSearch
from activity.reading import saved
from activity.reading.filters import SENT, FilterForm, chips, written
from activity.reading.query import FILTERS, by, parse
from activity.recording import record
from activity.subjects import Subject
from tenants.context import enter_tenant
from tests.conftest import CANARY

EVENTS = "/admin/activity/activityevent/"
SEARCHES = f"{EVENTS}searches/"


def sent(**fields):
    form = QueryDict(mutable=True)
    form.update(fields)
    return form


def meaning(text):
    return sorted((t.name, str(t.value), t.negated) for t in parse(text).terms)


# The form


def test_there_is_a_field_for_every_name_of_the_language_but_families_which_actions_hold():
    assert set(FilterForm.base_fields) == {*FILTERS, "rest"} - {"family"}


def test_the_form_writes_the_search_and_the_list_says_it_in_words(browser, acme, ann):
    client = browser(acme, ann)

    answered = client.get(
        EVENTS,
        {SENT: "1", "actor": 'Ann "A" Lee', "action": "user.*", "ip": "", "rest": "-channel:task"},
    )

    assert answered.status_code == 302
    assert client.get(answered.url).context["cl"].query == (
        r'actor:"Ann \"A\" Lee" action:user.* -channel:task'
    )


def test_an_empty_form_shows_everything(browser, acme, ann):
    answered = browser(acme, ann).get(EVENTS, {SENT: "1", "actor": " ", "rest": ""})

    assert answered.url == EVENTS


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        'actor:ann actor:"ann lee" -outcome:success',
        "family:user ip:10.0.0.0/8",
        "action:user.created,group.* since:2026-11-01T14:30 until:2026-11-30",
        r'target:"a \"b\" \\ c" "two words" -"no such"',
        "field:is_staff severity:warning channel:api request:" + str(uuid.UUID(int=7)),
    ],
)
def test_what_a_search_says_survives_the_form(text):
    form = FilterForm.of(parse(text))
    said = written(sent(**{name: str(value) for name, value in form.initial.items()}))

    # "family:user" may come back as "action:user.*": what it finds is the same.
    without_names = lambda found: sorted((v, n) for _, v, n in found)  # noqa: E731
    assert without_names(meaning(said)) == without_names(meaning(text))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60))
def test_any_name_that_is_typed_into_a_field_is_one_value(value):
    if value.strip():
        [term] = parse(written(sent(actor=value))).terms

        assert (term.name, term.written) == ("actor", value.strip())


def test_a_wrong_value_is_shown_with_its_caret(browser, acme, ann):
    client = browser(acme, ann)
    answered = client.get(EVENTS, {SENT: "1", "ip": "10.0.0.300"})

    shown = client.get(answered.url)

    assert "ip:10.0.0.300\n   ^" in shown.text
    assert "10.0.0.0/8" in shown.text


def test_each_term_can_be_taken_out_alone():
    first, second, third = chips(parse('actor:"ann lee" -channel:task bob'))

    assert first.text == 'actor:"ann lee"'
    assert first.without == "?q=-channel%3Atask+bob"
    assert second.without == "?q=actor%3A%22ann+lee%22+bob"
    assert third.without == "?q=actor%3A%22ann+lee%22+-channel%3Atask"
    assert chips(parse("bob"))[0].without == "?"


def test_a_command_is_found_by_its_kind_and_id_alone(in_acme, recorded):
    record("group.created", target=Subject("group", "9", "A"))
    [event] = recorded(in_acme, "group.created")[-1:]

    assert event.actor_kind == "command"
    assert meaning(by(event.actor_kind, event.actor_id)) == [
        ("actor", str((event.actor_kind, event.actor_id)), False)
    ]


def test_several_actions_are_asked_for_with_commas(in_acme):
    assert parse("action:user.created,group.*").terms[0].value[:2] == [
        "user.created",
        "group.created",
    ]


def test_the_page_says_that_it_is_empty_in_words(browser, acme, ann):
    client = browser(acme, ann)

    assert "No event fits this search" in client.get(EVENTS, {"q": "behalf:nobody"}).text
    assert "The list ends here" in client.get(EVENTS, {"date": "1999-01-01"}).text


def test_the_page_explains_every_name_of_the_language(browser, acme, ann):
    text = browser(acme, ann).get(EVENTS).text

    for filter_ in FILTERS.values():
        assert filter_.example in text
        assert filter_.finds in text


def test_another_parameter_than_the_search_is_refused(browser, acme, ann):
    for wrong in ("actor_id=7", "salt__startswith=a", "occurred_at__gte=2026-01-01"):
        assert browser(acme, ann).get(f"{EVENTS}?{wrong}").status_code == 302


# Saved searches


def told(events):
    """Return the events but for those that say who looked."""
    return [event for event in events if event.action != "activity.searched"]


def keep(client, name, search, **more):
    return client.post(SEARCHES, {"do": "save", "name": name, "q": search, **more}, follow=True)


def test_a_search_is_saved_shown_renamed_and_deleted(browser, acme, ann, recorded):
    client = browser(acme, ann)
    before = len(told(recorded(acme)))

    assert "is saved as “Failures”" in keep(client, " Failures ", "outcome:failure").text
    assert "outcome:failure" in client.get(EVENTS).text
    with enter_tenant(acme):
        [kept] = SavedSearch.objects.all()
    renamed = client.post(
        SEARCHES, {"do": "rename", "key": kept.pk, "name": "Wrong <b>"}, follow=True
    )
    assert "Wrong &lt;b&gt;" in renamed.text
    assert "<b>" not in renamed.text
    client.post(SEARCHES, {"do": "delete", "key": kept.pk})

    with enter_tenant(acme):
        assert not SavedSearch.objects.exists()
    # What is nobody's but one's own is no part of the record.
    assert len(told(recorded(acme))) == before


def test_saving_under_the_same_name_replaces(browser, acme, ann):
    client = browser(acme, ann)
    keep(client, "Mine", "outcome:failure")
    said = keep(client, "Mine", "outcome:denied").text
    again = keep(client, " Mine ", "outcome:denied").text

    assert "The search is saved as “Mine”, in place of the one before: outcome:failure" in said
    assert "The search is saved as “Mine”." in again
    with enter_tenant(acme):
        assert [s.search for s in SavedSearch.objects.all()] == ["outcome:denied"]


@pytest.mark.parametrize("more", [{}, {"is_shared": "on"}])
def test_a_shared_search_is_not_replaced_by_saving_another_under_its_name(
    browser, acme, ann, bob, recorded, more
):
    client = browser(acme, ann)
    keep(client, "Ours", "outcome:failure", is_shared="on")
    said = keep(client, " Ours ", "outcome:denied", **more).text

    assert escape("You share a search called 'Ours' with others.") in said
    with enter_tenant(acme):
        [kept] = SavedSearch.objects.all()
    assert (kept.search, kept.is_shared) == ("outcome:failure", True)
    assert recorded(acme, "search.withdrawn") == []
    # A colleague's is theirs, whatever one's own is called.
    assert "is saved as “Ours”." in keep(browser(acme, bob), "Ours", "outcome:denied").text

    client.post(SEARCHES, {"do": "withdraw", "key": kept.pk})
    assert "in place of" in keep(client, "Ours", "outcome:denied", **more).text


def test_a_shared_search_is_colleagues_to_use_and_its_owners_to_change(
    browser, acme, ann, bob, recorded
):
    keep(browser(acme, ann), "Ours", "outcome:failure", is_shared="on")
    with enter_tenant(acme):
        [kept] = SavedSearch.objects.all()
    reader = browser(acme, bob)

    assert "Ours" in reader.get(EVENTS).text
    for do in ("rename", "withdraw", "delete"):
        answered = reader.post(SEARCHES, {"do": do, "key": kept.pk, "name": "X"}, follow=True)
        assert "You have no such search." in answered.text
    with enter_tenant(acme):
        kept.refresh_from_db()
    assert (kept.name, kept.is_shared) == ("Ours", True)

    owner = browser(acme, ann)
    owner.post(SEARCHES, {"do": "rename", "key": kept.pk, "name": "Theirs"})
    owner.post(SEARCHES, {"do": "withdraw", "key": kept.pk})
    assert "Theirs" not in reader.get(SEARCHES).text
    shared, renamed, withdrawn = recorded(
        acme, "search.shared", "search.renamed", "search.withdrawn"
    )
    assert shared.details == {"search": "outcome:failure"}
    assert renamed.changes == {"name": ["Ours", "Theirs"]}
    assert withdrawn.action == "search.withdrawn"
    assert {e.target_id for e in (shared, renamed, withdrawn)} == {str(kept.pk)}


def test_a_private_search_is_seen_by_nobody_else(browser, acme, ann, bob):
    keep(browser(acme, ann), "Secret of Ann", "outcome:failure")

    assert "Secret of Ann" not in browser(acme, bob).get(EVENTS).text
    assert "Secret of Ann" not in browser(acme, bob).get(SEARCHES).text


def test_a_stranger_neither_sees_nor_reaches_another_tenants_searches(
    browser, acme, globex, ann, sam
):
    keep(browser(acme, ann), CANARY["acme"], "outcome:failure", is_shared="on")
    with enter_tenant(acme):
        [kept] = SavedSearch.objects.all()
    stranger = browser(globex, sam)

    assert sam.pk == ann.pk
    assert CANARY["acme"] not in stranger.get(EVENTS).text
    assert CANARY["acme"] not in stranger.get(SEARCHES).text
    for do in ("rename", "share", "withdraw", "delete"):
        answered = stranger.post(SEARCHES, {"do": do, "key": kept.pk, "name": "X"}, follow=True)
        assert "You have no such search." in answered.text
    with enter_tenant(acme):
        assert SavedSearch.objects.get().name == CANARY["acme"]


def test_who_may_not_read_the_record_saves_nothing(browser, acme, cleo):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=cleo.pk).update(is_staff=True)
    client = browser(acme, cleo)

    assert client.get(SEARCHES).status_code == 403
    assert client.post(SEARCHES, {"do": "save", "name": "A", "q": "ann"}).status_code == 403


@pytest.mark.parametrize(
    ("name", "search", "said"),
    [
        ("", "ann", "The search has no name."),
        (" \t ", "ann", "The search has no name."),
        ("x" * 61, "ann", "The name has 61 characters."),
        ("a\u202eb", "ann", "cannot be seen"),
        ("a\0b", "ann", "NUL"),
        ("Mine", "", "There is no search to keep."),
        ("Mine", "outcome:deny", "outcome:deny"),
        ("Mine", "x" * 401, "The search has 401 characters."),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words_and_nothing_is_written(
    browser, acme, ann, name, search, said
):
    client = browser(acme, ann)
    answered = client.post(SEARCHES, {"do": "save", "name": name, "q": search})

    assert answered.status_code == 302
    assert said in client.get(SEARCHES).text
    with enter_tenant(acme):
        assert not SavedSearch.objects.exists()


@pytest.mark.parametrize("name", ["' OR 1=1 --", "<script>", "{{ 7|add:7 }}", "%s", "🦊" * 60])
def test_hostile_names_are_names(browser, acme, ann, name):
    client = browser(acme, ann)
    keep(client, name, "ann")

    with enter_tenant(acme):
        assert SavedSearch.objects.get().name == name
    assert f">{escape(name)}</a>" in client.get(EVENTS).text


def test_nobody_keeps_more_than_may_be_kept(in_acme, ann, monkeypatch):
    monkeypatch.setattr(saved, "MOST_SAVED", 2)
    for name in ("a", "b"):
        saved.save(ann, name, "ann", is_shared=False)

    with pytest.raises(saved.Conflict, match="2 searches already"):
        saved.save(ann, "c", "ann", is_shared=False)
    saved.save(ann, "a", "bob", is_shared=False)
    assert {s.name: s.search for s in saved.visible_to(ann)} == {"a": "bob", "b": "ann"}


def test_taking_a_shared_search_away_by_deleting_or_replacing_it_is_recorded(
    in_acme, ann, recorded
):
    shared = saved.save(ann, "Ours", "ann", is_shared=True)
    saved.save(ann, "Ours", "bob", is_shared=False)
    saved.delete(ann, saved.save(ann, "Theirs", "bob", is_shared=True).pk)

    withdrawn = recorded(in_acme, "search.withdrawn")
    assert [event.details["search"] for event in withdrawn] == ["ann", "bob"]
    assert withdrawn[0].target_id == str(shared.pk)


def test_a_name_is_not_given_twice(in_acme, ann):
    saved.save(ann, "a", "ann", is_shared=False)
    other = saved.save(ann, "b", "ann", is_shared=False)

    with pytest.raises(saved.Conflict, match="already"):
        saved.rename(ann, other.pk, "a")


def test_searches_go_with_their_owner(in_acme, ann, bob):
    saved.save(bob, "Ours", "ann", is_shared=True)
    bob.delete()

    assert saved.visible_to(ann) == []


def test_a_form_that_means_nothing_is_answered_in_words(browser, acme, ann):
    client = browser(acme, ann)
    for form in ({}, {"do": "drop"}, {"do": "delete", "key": "7"}, {"do": "share"}):
        assert "means nothing" in client.post(SEARCHES, form, follow=True).text


def test_the_operators_console_has_saved_searches_of_its_own(browser, acme, ann, operator):
    keep(browser(acme, ann), "Ours", "outcome:failure", is_shared="on")
    console = browser(None, operator)

    assert "Ours" not in console.get(SEARCHES).text
    keep(console, "Domains", "action:tenant.*")
    assert "Domains" in console.get(EVENTS).text


# Links


def test_a_persons_page_and_a_roles_lead_to_the_record_for_those_who_may_read_it(
    browser, acme, ann, bob, cleo
):
    with enter_tenant(acme):
        role = Group.objects.get()
    person = f"/admin/accounts/customuser/{cleo.pk}/change/"
    about_cleo = f"?q=target%3A{cleo.public_id}"
    by_cleo = f"?q=actor%3A{cleo.public_id}"

    for reader in (ann, bob):
        text = browser(acme, reader).get(person).text
        assert about_cleo in text
        assert by_cleo in text
    assert f"?q=target%3Agroup%2F{role.pk}" in (
        browser(acme, ann).get(f"/admin/auth/group/{role.pk}/change/").text
    )

    with enter_tenant(acme):
        role.permissions.set([p for p in role.permissions.all() if "event" not in p.codename])
    blind = browser(acme, bob).get(person)
    assert blind.status_code == 200
    assert about_cleo not in blind.text
    assert "In the record" not in browser(acme, ann).get("/admin/auth/group/add/").text
