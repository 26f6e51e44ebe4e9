"""What a declaration must have, and what it says that it lacks."""

import pytest
from django.contrib.auth.models import Group

from activity import subjects
from activity.subjects import Declaration, Flip, Link, OneOf


def declaration(**fields):
    return Declaration(
        noun=fields.pop("noun", "group"),
        id="id",
        label=("{name}",),
        created=fields.pop("created", "group.created"),
        deleted=fields.pop("deleted", "group.deleted"),
        **fields,
    )


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"noun": "badge"}, ["badge.changed"]),
        ({"noun": "badge", "created": "badge.created"}, ["badge.created", "badge.changed"]),
        ({"deleted": "badge.deleted"}, ["badge.deleted"]),
        ({"actions": {"name": "badge.renamed"}}, ["badge.renamed"]),
        ({"actions": {"name": Flip(on="badge.on", off="group.deleted")}}, ["badge.on"]),
        ({"actions": {"name": OneOf("group.changed", others=("badge.of",))}}, ["badge.of"]),
    ],
)
def test_a_declaration_without_its_actions_says_which_and_where_to_add_them(fields, missing):
    before = subjects.declaration_of(Group)

    with pytest.raises(KeyError) as refused:
        subjects.declare(Group, declaration(**fields))

    [said] = refused.value.args
    assert said.startswith(f"auth.Group needs actions that there are not: {', '.join(missing)}. ")
    assert "activity/actions.py" in said
    assert "activity/catalogue.py" in said
    assert subjects.declaration_of(Group) == before


def test_no_action_is_asked_for_that_no_change_can_be():
    everything = {"id": "group.changed", "name": "group.changed"}

    for fields in ({"is_tie": True}, {"actions": everything}, {"ignored": frozenset(everything)}):
        known = declaration(noun="badge", **fields)
        assert "badge.changed" not in subjects.actions_of(Group, known)


def test_rows_between_two_models_need_their_action_too():
    link = Link(holder="group", field="badges", name=("{badge}",), action="group.badges_changed")

    with pytest.raises(KeyError, match=r"auth\.Group needs .* not: group\.badges_changed\. "):
        subjects.declare_link(Group, link)
