"""How people, roles and memberships appear in the record."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.db import models

from accounts.models import (
    ApiToken,
    CustomUser,
    Membership,
    PersonPermission,
    RolePermission,
)
from activity.capture.triggers import CaptureTrigger, install, record_link, record_model
from activity.capture.unrecorded import leave_unrecorded
from activity.subjects import Declaration, Flip, Link, OneOf, declare


class FactorTrigger(CaptureTrigger):
    """Records changes of a second factor, but for the count of wrong codes: each is an event."""

    def get_func(self, model: type[models.Model]) -> str:
        """Return what the function does."""
        same = " AND ".join(
            f'OLD."{column}" = NEW."{column}"' for column in ("id", "user_id", "type", "created_at")
        )
        uncounted = (
            # In brackets: PL/pgSQL ends the condition of an IF at the first THEN outside of any.
            "(CASE WHEN pg_catalog.jsonb_typeof(OLD.data) = 'object'"
            " AND pg_catalog.jsonb_typeof(NEW.data) = 'object'"
            " THEN OLD.data - 'tries' = NEW.data - 'tries' ELSE false END)"
        )
        is_count = f"TG_OP = 'UPDATE' AND {same} AND {uncounted}"
        return f"IF {is_count} THEN RETURN NULL; END IF;\n{super().get_func(model)}"


def declare_models() -> None:
    """Make the models of this app known to the record. Called once at start-up."""
    record_model(
        CustomUser,
        Declaration(
            noun="user",
            id="public_id",
            label=("{display_name} ({username})", "{username}"),
            created="user.created",
            deleted="user.deleted",
            actions={
                "is_active": Flip(on="user.reactivated", off="user.deactivated"),
                "is_superuser": "user.privileges_changed",
                "is_staff": "user.privileges_changed",
                "password": OneOf(
                    "user.password_changed",
                    others=("user.password_reset", "user.password_rehashed"),
                ),
            },
            # The sign-in itself is an event.
            ignored=frozenset({"last_login", "last_seen"}),
            secret=frozenset({"password"}),
        ),
    )
    record_model(
        Group,
        Declaration(
            noun="group",
            id="id",
            label=("{name}",),
            created="group.created",
            deleted="group.deleted",
        ),
    )
    record_model(
        Membership,
        Declaration(
            noun="membership",
            # The person's id: "what was done about Ann" finds her roles.
            id="user.public_id",
            label=("{user} the role {group}",),
            created="group.member_added",
            deleted="group.member_removed",
            is_tie=True,
        ),
    )
    for label in ("HistoricalCustomUser", "HistoricalGroup", "HistoricalMembership"):
        leave_unrecorded(f"accounts.{label}", "it is the history of another model")
    permission = ("{permission.content_type.app_label}.{permission.codename}",)
    record_link(
        RolePermission,
        Link(
            holder="group",
            field="permissions",
            name=permission,
            action="group.permissions_changed",
        ),
    )
    record_link(
        PersonPermission,
        Link(
            holder="customuser",
            field="permissions",
            name=permission,
            action="user.privileges_changed",
        ),
    )
    record_model(
        EmailAddress,
        Declaration(
            noun="email",
            # The person's id, for the same reason.
            id="user.public_id",
            label=("the address {email} of {user}",),
            created="email.added",
            deleted="email.removed",
        ),
    )
    record_model(
        ApiToken,
        Declaration(
            noun="token",
            # The person's id once more: with them, who presented it is forgotten too.
            id="user.public_id",
            label=("{name} ({beginning}…) of {user}",),
            created="token.created",
            deleted="token.deleted",
            actions={"revoked_at": "token.revoked", "digest": "token.changed"},
            ignored=frozenset({"last_used_at"}),
            secret=frozenset({"digest"}),
        ),
    )
    declare(
        Authenticator,
        Declaration(
            noun="factor",
            # The person's id, as above.
            id="user.public_id",
            label=("the second factor ({type}) of {user}",),
            created="factor.added",
            deleted="factor.removed",
            actions={
                "data": OneOf(
                    "factor.changed",
                    others=(
                        "factor.passed",
                        "factor.recovery_code_used",
                        "factor.codes_renewed",
                    ),
                ),
            },
            ignored=frozenset({"last_used_at"}),
            secret=frozenset({"data"}),
        ),
    )
    install(Authenticator, FactorTrigger())
