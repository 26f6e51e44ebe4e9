"""How people, roles and memberships appear in the record."""

from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed
from django.dispatch import receiver

from accounts.models import CustomUser, Membership
from activity import history
from activity.recording import Changes, record
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


@receiver(m2m_changed, sender=Membership, dispatch_uid="record_memberships")
def memberships_added(instance: Model, action: str, pk_set: set[Any] | None, **_: Any) -> None:
    """Write history and events for ``groups.add`` and ``set``, from either side.

    Django inserts these rows in bulk, without the signals that history listens to. It deletes them
    with those signals, so ``remove`` and ``clear`` need nothing.
    """
    if action != "post_add":
        return
    mine, others = (
        ("user", "group_id") if isinstance(instance, CustomUser) else ("group", "user_id")
    )
    added = Membership.objects.filter(**{mine: instance, f"{others}__in": pk_set})
    for membership in added.select_related("user", "group"):
        history.write(membership, "+")


_PERMISSIONS: Final[dict[Any, tuple[str, str]]] = {
    Group: ("permissions", "group.permissions_changed"),
    CustomUser: ("user_permissions", "user.privileges_changed"),
}
"""Where a model keeps its permissions, and the action that a change of them is."""


@receiver(m2m_changed, sender=Group.permissions.through, dispatch_uid="record_permissions")
@receiver(
    m2m_changed, sender=CustomUser.user_permissions.through, dispatch_uid="record_own_permissions"
)
def permissions_changed(
    instance: Any, action: str, model: Any, pk_set: set[Any] | None, reverse: bool, **_: Any
) -> None:
    """Record what a role or a person may do from now on, by the names of the permissions.

    ``reverse`` is the side of the permission: then ``pk_set`` holds keys of ``model``, the holders.
    """
    if action not in ("post_add", "pre_remove", "pre_clear"):
        return
    holder_model = model if reverse else instance._meta.concrete_model
    field, recorded_as = _PERMISSIONS[holder_model]
    holders = [instance]
    if reverse:
        held = holder_model._default_manager.filter(**{field: instance})
        holders = held if pk_set is None else held.filter(pk__in=pk_set)
    for holder in holders:
        permissions: QuerySet[Permission] = getattr(holder, field).all()
        if reverse:
            permissions = permissions.filter(pk=instance.pk)
        elif pk_set is not None:
            permissions = permissions.filter(pk__in=pk_set)
        names = sorted(
            f"{app}.{codename}"
            for app, codename in permissions.values_list("content_type__app_label", "codename")
        )
        if names:
            added = action == "post_add"
            changes: Changes = {"permissions": (None, names) if added else (names, None)}
            record(recorded_as, target=holder, changes=changes)
