"""Logging."""

from config.logging import configuration
from config.settings.environment import ENVIRONMENT

TENANTRY_LOG_FORMAT = ENVIRONMENT.TENANTRY_LOG_FORMAT
LOGGING_CONFIG = "config.logging.configure"
LOGGING = configuration(TENANTRY_LOG_FORMAT, ENVIRONMENT.TENANTRY_LOG_LEVEL)
