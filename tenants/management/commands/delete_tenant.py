"""``delete_tenant`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant suspend."
    why = "drops a schema without grace, reason or record"
    instead = "`manage.py tenant suspend SLUG`, which loses nothing"
