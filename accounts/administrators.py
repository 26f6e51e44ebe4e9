"""Making a tenant's administrators, for the operators of the platform."""

import re
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q

from accounts.invitations import link_for
from accounts.models import CustomUser
from tenants.administrators import Appointment, Office
from tenants.context import enter_tenant, enter_unserved
from tenants.errors import Conflict, InvalidInput
from tenants.models import Tenant


def username_from(email: str) -> str:
    """Return the user name that an address suggests: what stands before the @."""
    local = email.partition("@")[0].lower()
    return re.sub(r"[^\w.@+-]", "-", local)[:150]


def check(tenant: Tenant | None, username: str, email: str, password: str | None) -> None:
    """Refuse what cannot become an administrator; change nothing.

    Raises ``InvalidInput`` for an unusable address, name or password, ``Conflict`` when name and
    address belong to somebody else, or to two people.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput(
            f"{email[:80]!r} is not a usable e-mail address.", "Use one such as ann@example.com."
        ) from None
    person = CustomUser(username=username or username_from(email), email=email)
    try:
        person.clean_fields(exclude=["password"])
        if password is not None:
            validate_password(password, person)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), "Choose another one.") from None
    if tenant is not None:
        with enter_tenant(tenant):
            _existing(person.username, email)


def _existing(username: str, email: str) -> CustomUser | None:
    """The person whom both name and address mean; ``None`` when neither is taken."""
    by_name: CustomUser | None = CustomUser.objects.filter(username=username).first()
    by_email = CustomUser.objects.filter(email=email).first()
    if by_name == by_email:
        return by_name
    taken = f'the user name "{username}"' if by_name else f'the e-mail address "{email}"'
    raise Conflict(f"{taken} belongs to somebody else here.", "Choose another one.")


def appoint(tenant: Tenant, username: str, email: str, password: str | None) -> Appointment:
    """Make somebody an administrator, a new person or one who is there already."""
    check(None, username, email, password)
    email = email.strip().lower()
    username = (username or username_from(email)).lower()
    with enter_unserved(tenant), transaction.atomic():
        user = _existing(username, email)
        created = user is None
        if user is None:
            user = CustomUser(username=username, email=email)
            user.set_unusable_password()
        already = user.is_superuser and user.is_active and user.is_staff
        user.is_superuser = user.is_staff = user.is_active = True
        if password is not None:
            user.set_password(password)
        given = ["is_superuser", "is_staff", "is_active"]
        given += [] if password is None else ["password"]
        user.save(update_fields=None if created else given)
        link = "" if user.has_usable_password() else link_for(user)
    return Appointment(
        username=user.username,
        email=user.email,
        created=created or not already,
        has_new_password=password is not None,
        link=link,
    )


def locked(*keys: Any) -> dict[Any, CustomUser]:
    """Return the administrators, active or not, and people by their keys; all are locked.

    Of two who take each other's power at the same moment, the second finds out.
    """
    wanted = CustomUser.objects.filter(Q(is_superuser=True) | Q(pk__in=keys))
    return {person.pk: person for person in wanted.order_by("pk").select_for_update()}


def keep_one(user: CustomUser) -> None:
    """Refuse to lose the only administrator: nobody would be left to run the place.

    Whoever goes on to take power from ``user`` has ``locked`` the administrators before.
    """
    if not (user.is_superuser and user.is_active):
        return
    others = CustomUser.objects.administrators().active().exclude(pk=user.pk)
    if not others.exists():
        raise Conflict(
            "this is the last administrator here.", "Make somebody else an administrator first."
        )


OFFICE = Office(check=check, appoint=appoint)
