"""People and their roles: in a tenant's schema its people, in ``public`` the operators."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.crypto import salted_hmac
from simple_history import register

from accounts import passwords
from accounts.managers import CustomUserManager
from activity import context, periods, presence
from activity.context import ActorKind
from activity.history import RecordedHistory
from activity.requests import actor_of
from tenants.context import current_scope
from tenants.uuid7 import UUIDv7


def validate_time_zone(name: str) -> None:
    """Refuse what the tz database does not know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValidationError(
            f"There is no time zone {name[:60]!r}. Use a name such as Europe/Berlin."
        ) from None


one_line = RegexValidator(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]",
    "Use printable characters on one line.",
    inverse_match=True,
)


class CustomUser(AbstractUser):
    """A person who can sign in on one tenant's host, or on the platform's.

    User name and e-mail are stored in lower case, so that neither can be taken twice by case.
    """

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]

    public_id = models.UUIDField(
        "public ID",
        unique=True,
        db_default=UUIDv7(),
        editable=False,
        help_text="Names this person in the record, in exports and in links.",
    )
    username = models.CharField(
        "user name",
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        help_text="At most 150 letters, digits and @ . + - _, in any case.",
    )
    email = models.EmailField(
        "e-mail",
        validators=[one_line],
        help_text="For signing in and for links to choose a password.",
    )
    display_name = models.CharField(
        "name", max_length=150, blank=True, validators=[one_line], help_text="Shown to colleagues."
    )
    is_active = models.BooleanField(
        "active", default=True, help_text="Whether this person may sign in."
    )
    is_staff = models.BooleanField(
        "may open the panel",
        default=False,
        help_text="What they may do there is up to their roles.",
    )
    is_superuser = models.BooleanField(
        "administrator", default=False, help_text="May do everything in this organisation."
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="Such as Europe/Berlin. Empty: the organisation's.",
    )
    last_seen = models.DateTimeField(null=True, blank=True, editable=False)
    groups = models.ManyToManyField(  # type: ignore[assignment]
        Group,
        through="accounts.Membership",
        verbose_name="roles",
        blank=True,
        related_name="user_set",
        related_query_name="user",
    )

    objects: ClassVar[CustomUserManager] = CustomUserManager()
    history = RecordedHistory(excluded_fields=["password", "last_login", "last_seen"])

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        ordering: ClassVar[Any] = ["username"]
        constraints: ClassVar[Any] = [
            # A constraint and not unique=True, which would add an index for LIKE that nobody reads.
            models.UniqueConstraint(
                fields=["username"],
                name="user_name_is_unique",
                violation_error_message="Somebody has this user name already. Choose another one.",
            ),
            # Addresses are in lower case (below), so this is unique in any case, and its index is
            # the one that signing in uses.
            models.UniqueConstraint(
                fields=["email"],
                name="user_email_is_unique",
                violation_error_message="Somebody has this e-mail address already.",
            ),
            models.CheckConstraint(
                name="user_login_is_lower_case",
                condition=Q(username=Lower("username")) & Q(email=Lower("email")),
                violation_error_message="User name and e-mail are stored in lower case.",
            ),
            models.CheckConstraint(
                name="user_has_email",
                condition=~Q(email=""),
                violation_error_message="An e-mail address is needed.",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    def clean_fields(self, exclude: Any = None) -> None:
        """Bring user name and e-mail into the form in which they are stored, then validate."""
        self._lower_logins()
        super().clean_fields(exclude=exclude)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save in the stored form, telling the record what the row cannot say of a password."""
        self._lower_logins()
        # Django would insert whom it does not find: somebody who was erased meanwhile.
        is_known = self.pk is not None and not self._state.adding
        if is_known and not (args or kwargs.get("force_insert")):
            kwargs["force_update"] = kwargs.get("update_fields") is None
        fields = kwargs.get("update_fields")
        ends = is_known and not self.is_active and (fields is None or "is_active" in fields)
        together = transaction.atomic() if ends else nullcontext()
        with self._telling_of_password(), presence.held(self), together:
            super().save(*args, **kwargs)
            if ends:
                self._end_all()

    def check_password(self, raw_password: str | None) -> bool:
        """Tell whether this is the password; one that is right may be hashed anew."""
        return check_password(raw_password, self.password, partial(passwords.rehash, self))

    def _end_all(self) -> None:
        """End what is open of who is deactivated, for good: let in again, they begin anew."""
        from accounts import api_tokens, devices

        api_tokens.revoke_all(self)
        devices.end_deactivated(self)

    def _telling_of_password(self) -> AbstractContextManager[object]:
        """Say that a new password is by a one-time link."""
        if self._state.adding:
            return nullcontext()
        # Django empties _password when it saves.
        is_new = self._password is not None or not self.has_usable_password()  # type: ignore[attr-defined]
        if is_new and context.current().actor.kind == ActorKind.ANONYMOUS:
            # Who is not signed in comes by the link that only this person's mailbox has.
            return context.telling(actor=actor_of(self), meaning="user.password_reset")
        return nullcontext()

    def _lower_logins(self) -> None:
        self.username = CustomUserManager.normalize_username(self.username)
        self.email = CustomUserManager.normalize_email(self.email)

    def get_full_name(self) -> str:
        """Return the name to show."""
        return str(self)

    def get_short_name(self) -> str:
        """Return the name to show."""
        return str(self)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which this person reads times: their own, or the organisation's."""
        return ZoneInfo(self.time_zone or periods.zone_name())

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Bind sessions to the tenant: a cookie of one opens nothing in another.

        Without it, a session of a person with the same key and the same password hash elsewhere
        (a copied schema, a restored backup) would be good here.
        """
        salt = f"accounts.CustomUser.session_auth_hash/{current_scope()}"
        return salted_hmac(salt, self.password, secret=secret, algorithm="sha256").hexdigest()


class Membership(models.Model):
    """That somebody has a role. A model of its own, so that having it has a history."""

    # Without an index of its own: the unique constraint begins with it.
    user = models.ForeignKey(
        CustomUser, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")

    history = RecordedHistory()

    class Meta:
        verbose_name = "membership"
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(name="membership_is_unique", fields=["user", "group"])
        ]

    def __str__(self) -> str:
        return f"{self.group} of {self.user}"


class RolePermission(Group.permissions.through):  # type: ignore[name-defined,misc]
    """That a role has a permission: Django's own rows, with a name that migrations can use."""

    class Meta:
        proxy = True
        default_permissions = ()


class PersonPermission(CustomUser.user_permissions.through):  # type: ignore[name-defined,misc]
    """That a person has a permission past their roles, in the same way."""

    class Meta:
        proxy = True
        default_permissions = ()


class ApiToken(models.Model):
    """A secret with which a program acts as a person, and may do less than they may.

    Only a keyed hash of it is here, so neither a backup nor whoever reads the table can use it.
    The row stays when the token has ended, so that what presents it later can be named.
    """

    id = models.UUIDField(primary_key=True, db_default=UUIDv7(), editable=False)
    # Without an index of its own: a person has few, and a tenant has hundreds.
    user = models.ForeignKey(
        CustomUser, on_delete=models.CASCADE, related_name="api_tokens", db_index=False
    )
    name = models.CharField(
        max_length=60, validators=[one_line], help_text="What it is for, such as: nightly export."
    )
    beginning = models.CharField(
        max_length=12, help_text="Its first characters: tells which one it is, opens nothing."
    )
    # Text of a fixed length, not bytes without one: those would come with a TOAST table.
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.CharField(max_length=200, help_text="What it may do, separated by spaces.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering: ClassVar[Any] = ["-id"]
        constraints: ClassVar[Any] = [
            # Its index is the one that every request with a token uses.
            models.UniqueConstraint(fields=["digest"], name="token_digest_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.beginning}…)"

    @property
    def state(self) -> str:
        """One word: ``good``, ``revoked`` or ``expired``."""
        if self.revoked_at is not None:
            return "revoked"
        return "good" if timezone.now() < self.expires_at else "expired"


# Groups are Django's: their history is declared from outside and lives in this app.
register(Group, app="accounts", records_class=RecordedHistory)
