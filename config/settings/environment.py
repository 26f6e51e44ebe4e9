"""The environment, read once for all settings modules."""

from config.environment import CHECKOUT as CHECKOUT
from config.environment import read

ENVIRONMENT = read()
