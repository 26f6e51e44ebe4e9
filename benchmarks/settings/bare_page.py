"""Bare Django with the middleware that ``startproject`` writes: sessions are in the database."""

# ruff: noqa: F403, F405

from benchmarks.settings.bare import *

MIDDLEWARE = STARTPROJECT_MIDDLEWARE
