"""A form that was refused: what was typed is shown again, with the error beside its field."""

from dataclasses import dataclass

from django.http import QueryDict

from tenants.errors import TenantryError


@dataclass(frozen=True, slots=True)
class Refused:
    """``field`` is the id of the input that the error is about, ``given`` all that was sent."""

    field: str
    error: TenantryError
    given: QueryDict
