"""PostgreSQL."""

from typing import Any

import dj_database_url

from config.embedded import locate
from config.settings.environment import ENVIRONMENT

ENGINE = "tenants.backend"

EMBEDDED_POSTGRESQL = ENVIRONMENT.DATABASE_URL is None


def _connection(url: str, **options: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = {**dj_database_url.parse(url, engine=ENGINE), **options}
    parsed.setdefault("OPTIONS", {}).update({"connect_timeout": 5, "application_name": "tenantry"})
    return parsed


DATABASES: dict[str, dict[str, Any]] = {
    "default": _connection(
        ENVIRONMENT.DATABASE_URL or locate(ENVIRONMENT.TENANTRY_DATA).database_url,
        # Connecting costs more than most requests. A backend keeps up to 0.8 MB for every tenant it
        # has visited, so it is replaced after a while.
        CONN_MAX_AGE=600,
        # The page, its history rows and its events commit together or not at all.
        ATOMIC_REQUESTS=True,
        TEST={"NAME": "test_tenantry"},
    )
}
if ENVIRONMENT.DATABASE_OWNER_URL:
    # For schemas alone, by tenants.owner. Used seldom, and then often one after the other.
    DATABASES["owner"] = _connection(ENVIRONMENT.DATABASE_OWNER_URL, CONN_MAX_AGE=60)

# Where django-tenants lets migrations change schemas.
TENANT_DB_ALIAS = "owner" if "owner" in DATABASES else "default"
DATABASE_ROUTERS = ["tenants.provenance.TenantRouter", "django_tenants.routers.TenantSyncRouter"]

TENANTRY_STATEMENT_SECONDS = ENVIRONMENT.TENANTRY_STATEMENT_SECONDS
TENANTRY_SPARE_SCHEMAS = ENVIRONMENT.TENANTRY_SPARE_SCHEMAS
