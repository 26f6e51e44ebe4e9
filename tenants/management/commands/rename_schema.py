"""``rename_schema`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant show."
    why = "renames what is never seen and never changes"
    instead = "`manage.py tenant show SLUG` to see a tenant's names"
