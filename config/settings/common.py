"""All concerns together."""

from config.settings.api import *
from config.settings.applications import *
from config.settings.database import *
from config.settings.environment import CHECKOUT as CHECKOUT
from config.settings.environment import ENVIRONMENT as ENVIRONMENT
from config.settings.exports import *
from config.settings.logs import *
from config.settings.mail import *
from config.settings.panel import *
from config.settings.people import *
from config.settings.redis import *
from config.settings.security import *
from config.settings.web import *

TENANTRY_PRODUCTION = False
TENANTRY_DATA = ENVIRONMENT.TENANTRY_DATA
TENANTRY_AGGREGATE_SECONDS = ENVIRONMENT.TENANTRY_AGGREGATE_SECONDS
SILENCED_SYSTEM_CHECKS: list[str] = []
