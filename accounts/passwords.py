"""Keeping a password only in the place of the one that was checked.

Between checking a password and keeping another one lie two hashes, which take their time. Meanwhile
an administrator may have voided the first: what is kept then would let somebody in again.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet

from activity import context
from activity.requests import actor_of
from tenants.errors import Conflict


class PasswordChanged(Conflict):
    """The password is not the one any more that was checked: somebody changed or voided it."""

    def __init__(self) -> None:
        super().__init__(
            "the password was changed or voided meanwhile.",
            "Nothing was kept. Sign in again, or ask for a new link.",
        )


def _row(person: Any) -> QuerySet[Any]:
    return get_user_model()._default_manager.filter(pk=person.pk)


@transaction.atomic
def replace(person: Any, password: str) -> None:
    """Keep a new password in the place of the one that ``person`` was read with, and nothing else.

    Raises ``PasswordChanged`` if that is not the stored one any more, ``AccountGone`` if nobody is
    there.
    """
    checked = person.password
    person.set_password(password)
    # What is stored stays until the commit. Where nobody is there, saving says so.
    stored = _row(person).select_for_update(no_key=True).values_list("password", flat=True)
    if any(kept != checked for kept in stored):
        raise PasswordChanged
    person.save(update_fields=["password"])


def rehash(person: Any, password: str) -> None:
    """Keep a better hash of a password that was right, unless another one is stored by now."""
    checked = person.password
    person.set_password(password)
    # No new password: nobody has to be told of one.
    person._password = None
    stored = _row(person).filter(password=checked)
    with context.telling(actor=actor_of(person), meaning="user.password_rehashed"):
        if not stored.update(password=person.password):
            person.password = checked
