"""What is in an archive, and the numbers and names that make it one."""

import json
import re
import uuid
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tenants.certificates import canonical
from tenants.errors import InvalidInput

FORMAT: Final = 1
"""Raised when an archive could no longer be read as ``docs/tenant-archive-format.md`` says."""

PRODUCT_VERSION: Final = "0.1.0"
"""The release that writes; said for people, never decided by."""

MARK: Final = "tenantry-archive"
"""The first member's name, by which an archive is told from any other ZIP file."""

MANIFEST: Final = "manifest.json"
LARGEST_MANIFEST: Final = 16 * 1024 * 1024
MOST_TABLES: Final = 2_000

SEAL_LENGTH: Final = 64
"""The last bytes of the file: SHA-256 over all before them, in hexadecimal."""

SETTINGS: Final = (
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
)
"""On which the text of a value depends; set when rows are written and when they are read."""

_NAME: Final = r"^[a-z_][a-z0-9_]{0,62}$"
_LARGEST: Final = 2**63 - 1

Name = Annotated[str, Field(pattern=_NAME)]
Moment = Annotated[AwareDatetime, Field(strict=False)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Column(_Part):
    """A column, with its type as PostgreSQL's ``format_type`` names it."""

    name: Name
    type: Annotated[str, Field(max_length=200)]


class Table(_Part):
    """The rows of a table: how many, in which columns, and the bytes they take."""

    name: Name
    columns: Annotated[list[Column], Field(min_length=1, max_length=1600)]
    rows: Count
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def member(self) -> str:
        """The name of the member of the archive that holds the rows."""
        return member_of(self.name)


class Sequence(_Part):
    """The number that the next row of a table gets."""

    table: Name
    column: Name
    next: Annotated[int, Field(ge=1, le=_LARGEST)]


class LeftOut(_Part):
    """A table whose rows are not in the archive, and why."""

    table: Name
    why: Annotated[str, Field(max_length=500)]


class Facts(_Part):
    """What the platform knows of the tenant."""

    id: Annotated[uuid.UUID, Field(strict=False)]
    slug: Annotated[str, Field(max_length=32)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    time_zone: Annotated[str, Field(max_length=64)]
    state: Literal["active", "suspended"]
    created_at: Moment
    allows_support: bool = True
    """Written where it is false alone. A reader that does not know it refuses, and forgets nothing:
    whoever forbids support access is not to have it opened by moving."""
    domains: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=1000)]


class Manifest(_Part):
    """What an archive says of itself."""

    product: Literal["Tenantry"]
    version: Annotated[str, Field(max_length=50)]
    postgresql: Annotated[int, Field(ge=1)]
    exported_at: Moment
    tenant: Facts
    migrations: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z0-9_]+$", max_length=300)]],
        Field(min_length=1, max_length=100_000),
    ]
    tables: Annotated[list[Table], Field(min_length=1, max_length=MOST_TABLES)]
    sequences: Annotated[list[Sequence], Field(max_length=MOST_TABLES)]
    left_out: Annotated[list[LeftOut], Field(max_length=MOST_TABLES)]

    @property
    def rows(self) -> int:
        """How many rows the archive holds."""
        return sum(table.rows for table in self.tables)


def member_of(table: str) -> str:
    """Return the name of the member that holds the rows of a table."""
    return f"tables/{table}.copy"


def written(manifest: Manifest) -> bytes:
    """Return the manifest as it is stored: canonical JSON, without fields at their default."""
    return canonical(manifest.model_dump(mode="json", exclude_defaults=True))


def read(content: bytes) -> Manifest:
    """Return what a manifest says; raises ``InvalidInput`` for what is none."""
    try:
        document = json.loads(content, object_pairs_hook=_without_duplicates)
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        # Keys are the file's own words, and end up on a terminal.
        place = ascii(".".join(str(part) for part in first["loc"])[:100])[1:-1]
        raise _unusable(f"its manifest cannot be used: {place}") from None
    except (ValueError, RecursionError):
        raise _unusable("its manifest is no JSON") from None
    names = [table.name for table in manifest.tables]
    if len(set(names)) != len(names):
        raise _unusable("its manifest names a table twice")
    for table in manifest.tables:
        columns = [column.name for column in table.columns]
        if len(set(columns)) != len(columns):
            raise _unusable(f"its manifest names a column of {table.name} twice")
    return manifest


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _unusable(what: str) -> InvalidInput:
    return InvalidInput(f"the archive cannot be used: {what}.", "Export the tenant again.")


def format_number(content: bytes) -> int:
    """Return which format the first member says the archive is in; raises ``InvalidInput``."""
    if not re.fullmatch(rb"[1-9][0-9]{0,8}\n", content):
        raise _unusable("it does not say which format it is in")
    return int(content)
