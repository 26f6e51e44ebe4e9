"""What every page shares."""

from typing import Any

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
    return shown | {"support": SimpleLazyObject(lambda: serving.in_force(request))}
