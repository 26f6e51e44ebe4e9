"""``tenant_command`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant."
    why = "takes a schema name, picks one by its number, and runs in public without one"
    instead = "`manage.py tenant --help`, whose verbs take a slug"
