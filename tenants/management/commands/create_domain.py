"""``create_domain`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant domain add."
    why = "stores host names as they were typed"
    instead = "`manage.py tenant domain add SLUG HOST`"
