"""``create_tenant_superuser`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant superuser."
    why = "takes a schema name, and a password where others can read it"
    instead = "`manage.py tenant superuser SLUG --username NAME --email ADDRESS`"
