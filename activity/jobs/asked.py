"""What somebody asked for: enough to make the same file at any later time."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from activity.models import ExportJob


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A source, how its rows are chosen, and the form of the file.

    ``zone`` is the time zone in which the days of a search begin: that of whoever asked.
    """

    source: str
    filters: dict[str, str] = field(default_factory=dict)
    form: str = "csv"
    compression: str = ""
    columns: tuple[str, ...] = ()
    zone: str = "UTC"
    note: str = ""
    key: str = ""
    """Which request it was, by a name of the client's own, as a hash."""

    def document(self) -> dict[str, Any]:
        """Return it as the row has it: the source is a column of its own."""
        return {name: value for name, value in asdict(self).items() if value and name != "source"}

    @property
    def details(self) -> dict[str, Any]:
        """What events say of the file."""
        details: dict[str, Any] = {"source": self.source, "format": self.form}
        if self.compression:
            details["compression"] = self.compression
        if self.columns:
            details["columns"] = list(self.columns)
        return details

    @property
    def words(self) -> str:
        """How the rows are chosen, for people."""
        given = {name: value for name, value in self.filters.items() if value}
        days = [given.pop(name, "") for name in ("since", "until")]
        said = [given.pop("q")] if given.get("q") else []
        if days[0] and days[1]:
            said.append(f"{days[0]} to {days[1]}")
        elif any(days):
            said.append(f"since {days[0]}" if days[0] else f"until {days[1]}")
        said += [f"{name.replace('_', ' ')}: {value}" for name, value in given.items()]
        return " · ".join(said) or "everything"


def asked_of(job: ExportJob) -> Asked:
    """Return what a job was asked for. What a newer version has added is left out."""
    known = {one.name for one in fields(Asked)}
    stored = {name: value for name, value in job.asked.items() if name in known}
    return Asked(**{**stored, "source": job.source, "columns": tuple(stored.get("columns", ()))})
