"""``clone_tenant`` of django-tenants, replaced."""

from tenants.replaced import ReplacedCommand


class Command(ReplacedCommand):
    """Names what to use instead."""

    help = "Replaced: use manage.py tenant create."
    why = "copies people, passwords and keys of one tenant into another"
    instead = "`manage.py tenant create SLUG`"
