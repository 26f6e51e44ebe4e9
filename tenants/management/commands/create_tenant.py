"""``create_tenant`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant create."
    why = "lets people choose schema names, which PostgreSQL truncates and others may own"
    instead = "`manage.py tenant create SLUG`"
