"""The tables of the record. Every schema has them; ``public``'s are the platform's own."""

from activity.models.events import ActivityEvent, Outcome
from activity.models.jobs import ExportJob
from activity.models.rollups import DailyTotal, MonthlyTally, RollupCursor
from activity.models.rules import Hold, Retention
from activity.models.schedules import Schedule
from activity.models.seals import Segment, Tile
from activity.models.searches import SavedSearch

__all__ = [
    "ActivityEvent",
    "DailyTotal",
    "ExportJob",
    "Hold",
    "MonthlyTally",
    "Outcome",
    "Retention",
    "RollupCursor",
    "SavedSearch",
    "Schedule",
    "Segment",
    "Tile",
]
