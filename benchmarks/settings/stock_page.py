"""django-tenants in front of the middleware that ``startproject`` writes."""

# ruff: noqa: F403, F405

from benchmarks.settings.stock import *

MIDDLEWARE = [*MIDDLEWARE, *STARTPROJECT_MIDDLEWARE]
