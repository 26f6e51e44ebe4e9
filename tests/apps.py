"""The apps of the project, from the list that import-linter goes by: a new one is in it."""

import tomllib
from typing import Any

from config.environment import CHECKOUT

PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
APPS: tuple[str, ...] = tuple(PROJECT["tool"]["importlinter"]["root_packages"])
