"""The secret key of a development machine: made once, kept beside its data, in no repository."""

import os
import secrets
from pathlib import Path


def development_key(data: Path) -> str:
    """Return the key kept in ``data``, making it first if there is none."""
    path = data / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        data.mkdir(parents=True, exist_ok=True)
    fresh = secrets.token_urlsafe(64)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        # Another process of the same start was faster.
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(fresh)
    return fresh
