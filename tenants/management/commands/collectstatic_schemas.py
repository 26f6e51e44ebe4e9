"""``collectstatic_schemas`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py collectstatic."
    why = "collects the same files once for every tenant"
    instead = "`manage.py collectstatic`; see also `manage.py tenant --help`"
