"""What every page shares."""

from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.support import serving
from tenants.context import current_tenant, is_nowhere


def place(request: HttpRequest) -> dict[str, Any]:
    """Return the name of the place one is in, so that nobody acts in the wrong one.

    And ``support``, in whose place somebody acts, for the pages that ask.

    Nowhere, on the page of an error that came before the host was known, it returns nothing.
    """
    if is_nowhere():
        return {}
    tenant = current_tenant()
    shown = {"place": tenant.name if tenant else "Tenantry platform", "tenant": tenant}
    return shown | {"support": SimpleLazyObject(lambda: _support(request))}


def _support(request: HttpRequest) -> serving.InForce | None:
    """Return under which support access a page is shown.

    The page of an error may be shown where nothing can be asked any more: it has to be shown.
    """
    try:
        return serving.in_force(request)
    except DatabaseError:
        return None
