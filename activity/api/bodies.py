"""What is sent to the API: a bounded JSON object, of whose members none is unknown."""

import re
from collections.abc import Iterable
from typing import Any, Final

from rest_framework.exceptions import ParseError, UnsupportedMediaType

from activity.numbers import whole_number
from tenants.errors import InvalidInput

LONGEST_BODY: Final = 64 * 1024
# NUL, which PostgreSQL does not keep, and lone surrogates, which UTF-8 does not.
_UNFIT: Final = re.compile("[\0\ud800-\udfff]")


def body_of(request: Any, members: Iterable[str]) -> dict[str, Any]:
    """Return the object that was sent; raises ``InvalidInput`` for anything else."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if whole_number(length, LONGEST_BODY, least=0) is None:
        raise InvalidInput("the body is too long.", f"Send at most {LONGEST_BODY} bytes.")
    try:
        body = request.data
    except (ParseError, UnsupportedMediaType, RecursionError):
        # Recursion: nested deeper than anybody reads.
        body = None
    if not isinstance(body, dict):
        raise InvalidInput(
            "the body is no JSON object.", 'Send one, with "Content-Type: application/json".'
        )
    for name in body:
        if name not in members:
            raise InvalidInput(
                f"there is no member {name[:40]!r}.", f"Use of {', '.join(members)}."
            )
    return body


def text(value: Any, name: str) -> str:
    """Return a text; raises ``InvalidInput`` for what is none, as half a character is."""
    if not isinstance(value, str) or _UNFIT.search(value):
        raise InvalidInput(f"{name} is no text.", "Send a JSON string.")
    return value


def texts(value: Any, name: str, example: str) -> list[str]:
    """Return a list of texts."""
    if not isinstance(value, list):
        raise InvalidInput(f"{name} is no list.", f"Send such as {example}.")
    return [text(one, f"one of {name}") for one in value]


def named_texts(value: Any, name: str, example: str) -> dict[str, str]:
    """Return texts by name."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} is no object.", f"Send such as {example}.")
    return {text(key, f"a name in {name}"): text(one, key[:40]) for key, one in value.items()}
