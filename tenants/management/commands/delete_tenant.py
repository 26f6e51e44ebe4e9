"""``delete_tenant`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant delete."
    why = "drops a schema without grace, reason or record"
    instead = "`manage.py tenant delete SLUG --reason TEXT`, which can be taken back"
