"""``delete_domain`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant domain remove."
    why = "can leave a tenant without an address"
    instead = "`manage.py tenant domain remove SLUG HOST`"
