"""``create_missing_schemas`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant create."
    why = "makes schemas that belong to no complete tenant"
    instead = "`manage.py tenant create SLUG`, which makes a tenant whole"
