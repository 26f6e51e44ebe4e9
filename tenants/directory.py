"""Finding tenants by what people type."""

import difflib
import re

from tenants.certificates import certificate_of
from tenants.context import enter_platform
from tenants.errors import NotFound, TenantUnavailable
from tenants.fleet.serving import require_served
from tenants.hosts import owned
from tenants.models import FormerSlug, Tenant
from tenants.names import SLUG_PATTERN


def tenant_called(slug: str) -> Tenant:
    """Return the tenant with this slug.

    Raises ``NotFound``, which names today's slug for a former one, and the nearest if one is near.
    """
    with enter_platform():
        wanted = slug.strip().lower()
        # What is no slug may not even be text that PostgreSQL can be asked about.
        if re.fullmatch(SLUG_PATTERN, wanted):
            tenant = Tenant.objects.filter(slug=wanted).first()
            if tenant is not None:
                return tenant
            former = FormerSlug.objects.filter(slug=wanted).select_related("tenant").first()
            if former is not None:
                # Not followed: a script that acts on a name should learn that it means another.
                raise NotFound(
                    f'the tenant "{wanted}" was renamed.', f"It is called {former.tenant.slug} now."
                )
        slugs = list(Tenant.objects.values_list("slug", flat=True))
    near = difflib.get_close_matches(slug[:60].lower(), slugs, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`manage.py tenant list` shows all tenants."
    raise NotFound(f"there is no tenant {slug[:60]!r}.", hint)


def tenant_to_enter(slug: str) -> Tenant:
    """Return the tenant with this slug, if its schema is its own and not behind this release.

    Raises ``NotFound`` as ``tenant_called`` does, and ``TenantUnavailable``, which says of a purged
    tenant when that was.
    """
    tenant = tenant_called(slug)
    if tenant.state == Tenant.State.DELETED:
        raise TenantUnavailable(
            f'the tenant "{tenant.slug}" was purged on '
            f"{certificate_of(tenant).deleted_at:%Y-%m-%d %H:%M} UTC.",
            f"What is left of it: manage.py tenant certificate {tenant.slug}",
        )
    with enter_platform():
        mine = owned(Tenant.objects.filter(pk=tenant.pk))
    if mine is None:
        raise TenantUnavailable(
            f'the schema of the tenant "{tenant.slug}" is missing or another tenant\'s.',
            "Restore it before anybody works in it.",
        )
    return require_served(mine)
