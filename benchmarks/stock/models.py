"""The two models that django-tenants asks a project for."""

from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):  # type: ignore[misc]
    """A tenant. Saving a new one makes its schema and migrates it."""


class Domain(DomainMixin):  # type: ignore[misc]
    """A host name of a tenant."""
