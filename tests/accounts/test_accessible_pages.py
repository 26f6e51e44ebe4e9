"""What people hear who do not see the page: names of buttons, groups of boxes, errors."""

from html.parser import HTMLParser

import pytest

from tenants.context import enter_tenant
from tests.api import token_of
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("no_attempts_yet")

SIGN_IN = "/accounts/login/"
FORGOTTEN = "/accounts/password/reset/"
AGAIN = "/accounts/reauthenticate/"
TOKENS = "/accounts/tokens/"


class Page(HTMLParser):
    """The elements of a page that names and descriptions are made of."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def described(self):
        """Each element that is described by others, with their ids."""
        return [
            (attributes, attributes["aria-describedby"].split())
            for _, attributes in self.elements
            if attributes.get("aria-describedby")
        ]

    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def invalid(self):
        return {a["name"]: a for a in self.all("input") if a.get("aria-invalid") == "true"}


def shown(response):
    assert response.status_code == 200
    page = Page(response.content.decode())
    assert len(page.ids()) == len(set(page.ids()))
    assert {one for _, ids in page.described() for one in ids} <= set(page.ids())
    return page


@pytest.fixture
def person(browser, acme, ann):
    client = browser(acme, ann)
    client.post(AGAIN, {"password": PASSWORD})
    return client


def test_what_describes_a_field_is_on_the_page(person):
    home, token = shown(person.get("/")), shown(person.get(f"{TOKENS}new/"))

    assert [ids for _, ids in home.described()]
    assert ["id_scopes_helptext"] in [ids for _, ids in token.described()]


def test_boxes_that_belong_together_are_a_group_with_a_name(person):
    page = shown(person.get(f"{TOKENS}new/"))

    [(group, ids)] = [(a, ids) for a, ids in page.described() if a in page.all("fieldset")]
    assert (len(page.all("legend")), ids) == (1, ["id_scopes_helptext"])
    assert group["aria-describedby"] == "id_scopes_helptext"


def test_each_error_of_a_form_is_told_and_belongs_to_its_field(person):
    page = shown(person.post(f"{TOKENS}new/", {"name": "", "scopes": ["x"], "days": "90"}))

    assert page.invalid()["name"]["aria-describedby"] == "id_name_helptext id_name_error"
    assert {"role": "alert"} in page.all("div")
    assert "id_scopes_error" in [one for _, ids in page.described() for one in ids]


def test_each_button_says_which_token_it_revokes(person, acme, ann):
    with enter_tenant(acme):
        for name in ("ci", "the <shop>"):
            token_of(acme, ann, name=name)

    buttons = shown(person.get(TOKENS)).all("button")

    named = {button["aria-label"] for button in buttons if "aria-label" in button}
    assert named == {"Revoke ci", "Revoke the <shop>"}


def test_a_refused_sign_in_is_heard_at_the_field_that_has_the_focus(browser, acme):
    assert shown(browser(acme).get(SIGN_IN)).invalid() == {}

    page = shown(browser(acme).post(SIGN_IN, {"login": "ann", "password": "wrong"}))

    assert {"id": "said", "role": "alert"} in page.all("div")
    assert set(page.invalid()) == {"login", "password"}
    assert "autofocus" in page.invalid()["login"]
    assert {one["aria-describedby"] for one in page.invalid().values()} == {"said"}


@pytest.mark.parametrize(
    ("address", "wrong", "field"),
    [(FORGOTTEN, {"email": "no address"}, "email"), (AGAIN, {"password": "wrong"}, "password")],
)
def test_a_form_of_one_field_says_at_it_what_is_wrong(person, address, wrong, field):
    page = shown(person.post(address, wrong))

    assert {"id": "said", "role": "alert"} in page.all("div")
    assert page.invalid()[field]["aria-describedby"] == "said"
