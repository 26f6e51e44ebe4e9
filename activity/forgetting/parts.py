"""Which parts of events are somebody's, and which of these are not emptied yet."""

from django.db.models import Q


def of(person_id: str) -> tuple[Q, Q]:
    """Return which events' actor's part, and which events' target's part, is somebody's."""
    who = Q(actor_id=person_id) | Q(on_behalf_of_id=person_id)
    who |= Q(target_id=person_id, actor_kind="anonymous")
    return who, Q(target_id=person_id) & ~Q(action="user.erased") & ~Q(action__startswith="record.")


def whole(person_id: str) -> Q:
    """Return which events have a part of somebody's that is not emptied."""
    who, what = of(person_id)
    return (who & Q(actor_salt__isnull=False)) | (what & Q(target_salt__isnull=False))
