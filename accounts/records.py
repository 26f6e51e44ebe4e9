"""How people, roles and memberships appear in the record."""

from typing import Any

from allauth.account import signals as allauth_signals
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed
from django.dispatch import receiver

from accounts.models import CustomUser, Membership
from activity import history
from activity.recording import Changes, record
from activity.requests import actor_of
from activity.subjects import Declaration, declare


def user_label(user: CustomUser) -> str:
    """Return how the record names a person: name and user name, as they are now."""
    return f"{user.display_name} ({user.username})" if user.display_name else user.username


def user_actions(changes: Changes) -> list[tuple[str, list[str]]]:
    """Return the events that an update of a person is: one each for state, power and the rest."""
    rest = dict(changes)
    actions = []
    if "is_active" in rest:
        _, now = rest.pop("is_active")
        actions.append(("user.reactivated" if now else "user.deactivated", ["is_active"]))
    powers = [name for name in ("is_superuser", "is_staff") if rest.pop(name, None) is not None]
    if powers:
        actions.append(("user.privileges_changed", powers))
    if rest:
        actions.append(("user.changed", list(rest)))
    return actions


def declare_models() -> None:
    """Make the models of this app known to the record. Called once at start-up."""
    declare(
        CustomUser,
        Declaration(
            noun="user",
            id_of=lambda user: str(user.public_id),
            label_of=user_label,
            created="user.created",
            deleted="user.deleted",
            actions_for=user_actions,
        ),
    )
    declare(
        Group,
        Declaration(
            noun="group",
            id_of=lambda group: str(group.pk),
            label_of=str,
            created="group.created",
            deleted="group.deleted",
        ),
    )
    declare(
        Membership,
        Declaration(
            noun="membership",
            # The person's id: "what was done about Ann" finds her roles.
            id_of=lambda membership: str(membership.user.public_id),
            label_of=lambda m: f"{user_label(m.user)} the role {m.group}",
            created="group.member_added",
            deleted="group.member_removed",
        ),
    )


def _memberships(instance: Model, pks: set[Any] | None) -> QuerySet[Membership]:
    """The memberships that a change of ``user.groups`` or ``group.user_set`` is about."""
    mine, others = (
        ("user", "group_id") if isinstance(instance, CustomUser) else ("group", "user_id")
    )
    chosen = {mine: instance} | ({f"{others}__in": pks} if pks is not None else {})
    return Membership.objects.select_related("user", "group").filter(**chosen)


@receiver(m2m_changed, sender=Membership, dispatch_uid="record_memberships")
def memberships_changed(instance: Model, action: str, pk_set: set[Any] | None, **_: Any) -> None:
    """Write history and events for ``groups.add``, ``set``, ``remove`` and ``clear``.

    Django inserts and deletes these rows in bulk, without the signals that history listens to.
    """
    history_type = {"post_add": "+", "pre_remove": "-", "pre_clear": "-"}.get(action)
    if history_type:
        for membership in _memberships(instance, pk_set):
            history.write(membership, history_type)


@receiver(m2m_changed, sender=Group.permissions.through, dispatch_uid="record_permissions")
def permissions_changed(
    instance: Model, action: str, pk_set: set[Any] | None, reverse: bool, **_: Any
) -> None:
    """Record what a role may do from now on, by the names of the permissions."""
    if reverse or action not in ("post_add", "pre_remove", "pre_clear"):
        return
    assert isinstance(instance, Group)
    changed = instance.permissions.all()
    if pk_set is not None:
        changed = Permission.objects.filter(pk__in=pk_set)
    names = sorted(
        f"{app}.{codename}"
        for app, codename in changed.values_list("content_type__app_label", "codename")
    )
    if names:
        added = action == "post_add"
        changes: Changes = {"permissions": (None, names) if added else (names, None)}
        record("group.permissions_changed", target=instance, changes=changes)


@receiver(allauth_signals.password_changed, dispatch_uid="record_password_changed")
@receiver(allauth_signals.password_set, dispatch_uid="record_password_set")
def password_changed(user: CustomUser, **_: Any) -> None:
    """Record that somebody has a new password; never which, nor which they had."""
    record("user.password_changed", target=user)


@receiver(allauth_signals.password_reset, dispatch_uid="record_password_reset")
def password_reset(user: CustomUser, **_: Any) -> None:
    """Record that somebody chose a password by a link, which only their mailbox has."""
    record("user.password_reset", target=user, actor=actor_of(user))
