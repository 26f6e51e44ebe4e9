"""The models that are not recorded, each with the reason. Every other model must be declared."""

from typing import Final

UNRECORDED: Final[dict[str, str]] = {
    "activity.ActivityEvent": "it is the record",
    "activity.Segment": "it proves the record",
    "activity.Tile": "it proves the record",
    "activity.DailyTotal": "it is counted from the record, and can be counted again",
    "activity.MonthlyTally": "it is counted from the record, and can be counted again",
    "activity.RollupCursor": "it says how far events are counted",
    "activity.ExportJob": "each step of it is an event",
    "activity.SavedSearch": "it is its owner's; sharing it is an event",
    "account.EmailConfirmation": "no page makes one; the address that it would confirm is recorded",
    "auth.Permission": "the release brings them, the same for everybody",
    "contenttypes.ContentType": "the release brings them, the same for everybody",
    "sessions.Session": "signing in and out are events, and each page touches a row",
}
"""Label of a model → why. Other apps add their own with ``leave_unrecorded``."""


def leave_unrecorded(label: str, reason: str) -> None:
    """Say why changes of a model, such as ``accounts.HistoricalGroup``, need no event."""
    UNRECORDED[label] = reason
