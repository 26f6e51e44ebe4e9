"""What a tenant lacks when it opens.

While a release is deployed the code before it still makes tenants, of its own blueprint: they lack
what the platform has been given since, and whoever migrated the fleet may have looked already. So
it is noted by what opens the tenant, for code that needs it (``tenants.fleet.serving``).
"""

from django.db.models import JSONField
from django.db.models.expressions import RawSQL

from tenants.models import Tenant
from tenants.quoting import qualified

_LACKING = """
SELECT coalesce(jsonb_agg(ours.app || '.' || ours.name ORDER BY ours.id), '[]')
FROM public.django_migrations AS ours
WHERE NOT EXISTS (SELECT FROM {its} AS its WHERE its.app = ours.app AND its.name = ours.name)
"""


def behind_platform(schema_name: str) -> RawSQL:
    """Return the expression that is what a schema lacks and the platform has, as ``app.name``.

    A value of ``Tenant.lacks``, so that noting it takes no statement of its own.
    """
    its = qualified(schema_name, "django_migrations")
    return RawSQL(_LACKING.format(its=its), [], JSONField())  # noqa: S611 (a name, quoted)


def behind_platform_now(tenant: Tenant) -> list[str]:
    """Return what the schema of a tenant that is in the table lacks."""
    rows = Tenant.objects.filter(pk=tenant.pk)
    found: list[str] = rows.values_list(behind_platform(tenant.schema_name), flat=True).get()
    return found
