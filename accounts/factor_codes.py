"""One-time codes: those that an app makes of a secret and the time, and those kept on paper.

The first are TOTP (RFC 6238) as every app knows it: SHA-1, six digits, steps of 30 seconds.
"""

import base64
import binascii
import hmac
import secrets
import struct
from typing import Final
from urllib.parse import quote, urlencode

STEP_SECONDS: Final = 30
DIGITS: Final = 6
DRIFT: Final = 1
"""Steps by which a phone's clock may be wrong, either way (RFC 6238, 5.2 recommends one)."""

RECOVERY_CODES: Final = 10
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Those that are not taken for one another on paper."""
_GROUPS: Final = 3
_GROUP: Final = 4


def new_secret() -> str:
    """Return a secret of 160 bits (RFC 4226, 4) in base32, which people can type."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(secret: str, step: int) -> str:
    """Return the code of a step of time (RFC 4226, 5.3). Raises ``ValueError`` for no secret."""
    try:
        key = base64.b32decode(secret)
    except binascii.Error as error:
        raise ValueError("not base32") from error
    digest = hmac.digest(key, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(code: str, secret: str, now: float) -> int | None:
    """Return the step around ``now`` (seconds since 1970) that a typed code is of, if any.

    All are compared, so that how long it takes says nothing.
    """
    typed = "".join(code.split())
    present = int(now) // STEP_SECONDS
    steps = range(present - DRIFT, present + DRIFT + 1)
    found = [step for step in steps if _equal(typed, code_at(secret, step))]
    return found[-1] if found else None


def address(secret: str, issuer: str, name: str) -> str:
    """Return what an app reads from the QR code (the ``otpauth`` key URI format)."""
    query = urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(name)}?{query}"


def picture(text: str) -> str:
    """Return a QR code as an SVG element."""
    # Only here: they bring Pillow, which every process would load for a page that few ever see.
    import qrcode
    from qrcode.image.svg import SvgPathImage

    image = qrcode.make(text, image_factory=SvgPathImage, border=4)
    return str(image.to_string(encoding="unicode"))


def new_recovery_codes() -> list[str]:
    """Return codes of 59 random bits, each in groups that can be read out."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
        for _ in range(RECOVERY_CODES)
    ]


def plain(code: str) -> str:
    """Return a recovery code as it was made, however it was typed."""
    letters = "".join(mark for mark in code.lower() if mark.isalnum())
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
