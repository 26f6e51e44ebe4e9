"""A developer's machine, and ``make up``."""

from config.settings.common import *
from config.settings.running import port_of_running
from config.settings.secret import development_key

SECRET_KEY = ENVIRONMENT.SECRET_KEY or development_key(ENVIRONMENT.TENANTRY_DATA)
TENANTRY_PUBLIC_PORT = ENVIRONMENT.TENANTRY_PUBLIC_PORT or (
    ENVIRONMENT.PORT
    if "PORT" in ENVIRONMENT.model_fields_set
    else port_of_running(ENVIRONMENT.TENANTRY_DATA) or ENVIRONMENT.PORT
)
# Whoever tries the product looks at the figures at once.
TENANTRY_AGGREGATE_SECONDS = (
    ENVIRONMENT.TENANTRY_AGGREGATE_SECONDS
    if "TENANTRY_AGGREGATE_SECONDS" in ENVIRONMENT.model_fields_set
    else 10.0
)
# People type the address as well as the name.
TENANTRY_PLATFORM_HOSTS = TENANTRY_PLATFORM_HOSTS | {"127.0.0.1"}
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "127.0.0.1"]
# Serves static files from where they are, so there is nothing to collect.
WHITENOISE_USE_FINDERS = True
