"""What becomes of API tokens when a password is changed, voided, or its person deactivated."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core import mail

from accounts.invitations import link_for
from accounts.models import ApiToken, CustomUser
from activity.recording import keyed_hash
from tenants.context import enter_tenant
from tests.accounts.test_panel import change
from tests.accounts.test_passwords import FRESH, choose, may_sign_in, path_of
from tests.api import EVENTS, program, token_of
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

CHANGE = "/accounts/password/change/"
NEW = {"oldpassword": PASSWORD, "password1": FRESH, "password2": FRESH}


def opens(place, text):
    return program(place, text).get(EVENTS).status_code == 200


def state(place, token):
    with enter_tenant(place):
        return ApiToken.objects.get(pk=token.pk).state


@pytest.mark.parametrize("ends", [True, False])
def test_who_changes_a_password_is_asked_whether_tokens_end(browser, acme, ann, recorded, ends):
    _, text = token_of(acme, ann)
    client = browser(acme, ann)
    page = client.get(CHANGE).text
    assert "End my API tokens too" in page
    assert "One token of yours goes on working" in page

    answer = client.post(CHANGE, {**NEW, **({"end_tokens": "on"} if ends else {})})

    assert answer.status_code == 302
    assert opens(acme, text) is not ends
    events = recorded(acme, "token.revoked")
    assert [event.actor_id for event in events] == [str(ann.public_id)] * ends
    if ends:
        [changed] = recorded(acme, "user.password_changed")
        assert changed.request_id == events[0].request_id


def test_who_has_no_token_is_not_asked(browser, acme, ann):
    assert "API tokens too" not in browser(acme, ann).get(CHANGE).text


def test_a_wrong_password_ends_nothing(browser, acme, ann):
    _, text = token_of(acme, ann)
    answer = browser(acme, ann).post(CHANGE, {**NEW, "oldpassword": "x", "end_tokens": "on"})
    assert answer.status_code == 200
    assert "checked" in answer.text
    assert opens(acme, text)


@pytest.mark.parametrize("ends", [True, False])
def test_who_resets_a_password_by_a_link_is_asked_too(browser, acme, ann, recorded, ends):
    _, text = token_of(acme, ann)
    with enter_tenant(acme):
        path = path_of(link_for(ann))
    client = browser(acme)
    form = client.get(path, follow=True)
    assert "End my API tokens too" in form.text
    address = form.redirect_chain[-1][0]
    sent = {"password1": FRESH, "password2": FRESH, **({"end_tokens": "on"} if ends else {})}
    assert client.post(address, sent).status_code == 302
    assert may_sign_in(browser, acme, "ann", FRESH)
    assert opens(acme, text) is not ends
    assert [event.actor_id for event in recorded(acme, "token.revoked")] == (
        [str(ann.public_id)] * ends
    )


def test_an_invitation_asks_nothing(browser, acme, cleo):
    with enter_tenant(acme):
        path = path_of(link_for(cleo))
    assert "API tokens too" not in browser(acme).get(path, follow=True).text
    choose(browser(acme), path)
    assert may_sign_in(browser, acme, "cleo", FRESH)


def test_an_administrator_voids_a_password_and_all_that_it_opened(
    browser, acme, ann, bob, recorded, commits
):
    _, text = token_of(acme, bob)
    theirs = browser(acme, bob)
    assert theirs.get("/activity/").status_code == 200
    page = f"/admin/accounts/customuser/{bob.pk}/send-link/"
    client = browser(acme, ann)
    assert "Void their password now" in client.get(page).text

    answer = client.post(page, {"void": "1"}, follow=True)

    assert "is void. Ended: 1 of their sessions, 1 of their API tokens." in answer.text
    assert not opens(acme, text)
    assert theirs.get("/activity/").status_code == 302
    assert not may_sign_in(browser, acme, "bob", PASSWORD)
    found = recorded(
        acme, "session.revoked", "token.revoked", "user.password_changed", "user.invited"
    )
    assert len(found) == 4
    assert {event.actor_id for event in found} == {str(ann.public_id)}
    [sent] = mail.outbox
    link = next(word for word in sent.body.split() if word.startswith("http"))
    choose(browser(acme), path_of(link))
    assert may_sign_in(browser, acme, "bob", FRESH)


def test_a_link_alone_ends_nothing(browser, acme, ann, bob):
    _, text = token_of(acme, bob)
    browser(acme, ann).post(f"/admin/accounts/customuser/{bob.pk}/send-link/")
    assert opens(acme, text)
    assert may_sign_in(browser, acme, "bob", PASSWORD)


def test_nobody_voids_their_own_nor_that_of_who_may_do_more(browser, acme, ann, bob):
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_superuser=False)
        role = bob.groups.get()
        role.permissions.add(Permission.objects.get(codename="change_customuser"))
    own = f"/admin/accounts/customuser/{ann.pk}/send-link/"
    client = browser(acme, ann)
    assert "Void their password" not in client.get(own).text
    client.post(own, {"void": "1"})
    assert may_sign_in(browser, acme, "ann", PASSWORD)
    assert browser(acme, bob).post(own, {"void": "1"}).status_code == 403
    assert may_sign_in(browser, acme, "ann", PASSWORD)


@pytest.mark.parametrize("door", ["list", "page", "code"])
def test_who_is_deactivated_loses_tokens_and_sessions_for_good(
    browser, acme, ann, bob, recorded, door
):
    token, text = token_of(acme, bob)
    client, theirs = browser(acme, ann), browser(acme, bob)
    assert theirs.get("/").status_code == 200
    cookie = theirs.cookies[settings.SESSION_COOKIE_NAME].value
    if door == "list":
        client.post(
            "/admin/accounts/customuser/",
            {"action": "deactivate", "_selected_action": [bob.pk]},
        )
    elif door == "page":
        change(client, acme, bob, is_active="")
    else:
        with enter_tenant(acme):
            bob.is_active = False
            bob.save()
    assert state(acme, token) == "revoked"
    assert len(recorded(acme, "token.revoked")) == 1
    with enter_tenant(acme):
        CustomUser.objects.filter(pk=bob.pk).update(is_active=True)
        ref = keyed_hash("session", cookie)
    assert not opens(acme, text)
    # A browser forgets a cookie that opens nothing; whoever copied it does not.
    thief = browser(acme)
    thief.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert thief.get("/").status_code == 302
    [ended] = recorded(acme, "session.revoked")
    assert ended.target_id == str(bob.public_id)
    assert ended.details == {"revoked_session_ref": ref}
    assert client.get("/").status_code == 200


def test_saving_somebody_who_is_active_ends_nothing_and_costs_nothing(
    in_acme, acme, ann, django_assert_num_queries
):
    _, text = token_of(acme, ann)
    with django_assert_num_queries(1):
        ann.display_name = "Ann"
        ann.save()
    assert opens(acme, text)
