"""Whose account a command is about."""

import argparse

from accounts import erasure
from accounts.models import CustomUser
from tenants.errors import NotFound


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare ``--tenant``."""
    parser.add_argument(
        "--tenant", metavar="SLUG", help="whose people; default: the platform's operators"
    )


def add_person(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Declare ``--person``."""
    parser.add_argument(
        "--person",
        required=required,
        default="",
        metavar="WHO",
        help="user name, e-mail address or public ID",
    )


def find(who: str) -> CustomUser:
    """Return who was named; raises ``NotFound`` for whose account is gone, too."""
    user: CustomUser | None = CustomUser.objects.filter(public_id=erasure.find(who).id).first()
    if user is None:
        raise NotFound(f"{who[:80]!r} has no account any more.", "There is nothing to do.")
    return user
