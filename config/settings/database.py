"""PostgreSQL."""

from typing import Any

import dj_database_url

from config.embedded import locate
from config.settings.environment import ENVIRONMENT

ENGINE = "tenants.backend"

EMBEDDED_POSTGRESQL = ENVIRONMENT.DATABASE_URL is None

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **dj_database_url.parse(
            ENVIRONMENT.DATABASE_URL or locate(ENVIRONMENT.TENANTRY_DATA).database_url,
            engine=ENGINE,
            # Connecting costs more than most requests. A backend keeps up to 0.8 MB for every
            # tenant it has visited, so it is replaced after a while.
            conn_max_age=600,
        ),
        # The page, its history rows and its events commit together or not at all.
        "ATOMIC_REQUESTS": True,
    }
}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {"connect_timeout": 5, "application_name": "tenantry"}
)
DATABASES["default"].setdefault("TEST", {})["NAME"] = "test_tenantry"

DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

TENANTRY_SPARE_SCHEMAS = ENVIRONMENT.TENANTRY_SPARE_SCHEMAS
