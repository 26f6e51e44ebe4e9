"""The views beside everything that a tenant's host of Tenantry answers."""

from benchmarks.web import urls
from config import urls_tenant

urlpatterns = [*urls_tenant.urlpatterns, *urls.urlpatterns]
