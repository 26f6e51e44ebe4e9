"""``all_tenants_command`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant."
    why = "stops at the first tenant that fails"
    instead = "`manage.py activity aggregate --all` or `manage.py tenant --help`"
