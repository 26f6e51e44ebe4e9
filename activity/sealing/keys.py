"""The Ed25519 keys that sign the record's checkpoints: reading, making and publishing them.

Key ids and the texts of both halves are those of C2SP's signed notes (https://c2sp.org/signed-note),
so that tools for such notes can check ours. The private key is ``PRIVATE+KEY+name+id+key`` as in
Go's ``golang.org/x/mod/sumdb/note``, the public one ("vkey") is ``name+id+key``. A key id is no
secret and no proof: it only says which key to try.

A process reads its key once. A new key takes effect with a restart.
"""

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from tenants.errors import InvalidInput, TenantryError

NAME: Final = re.compile(r"[A-Za-z0-9._:/~-]{1,60}")
"""What a key may be called: like a host name or a URL without scheme, nothing to be quoted."""
PREFIX: Final = "PRIVATE+KEY+"
DEVELOPMENT_FILE: Final = "seal_key"
DEVELOPMENT_NAME: Final = "tenantry.localhost"
MAKE_ONE: Final = "Make a key: manage.py activity keygen."
_ED25519: Final = b"\x01"
_LONGEST_FILE: Final = 4096
"""Bytes of a file that are read: a key is at most 130, and a wrong path may lead to anything."""


class SealKeyError(TenantryError):
    """There is no key that can sign the record, or one that was given cannot be used."""

    code = "no-seal-key"
    # The operator's to repair, and nothing that a visitor should read.
    http_status = 500


class Verifier:
    """The public half of a key: tells whether a signature is that key's."""

    def __init__(self, name: str, public: bytes) -> None:
        """``public`` are the 32 bytes of RFC 8032."""
        self.name = name
        self.key_id = key_id_of(name, public)
        self.vkey = f"{name}+{self.key_id.hex()}+{_base64(_ED25519 + public)}"
        self._key = Ed25519PublicKey.from_public_bytes(public)

    def is_good(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this key made the signature over exactly this message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key. What it is made of is in no text that it shows of itself."""

    def __init__(self, name: str, seed: bytes) -> None:
        """``seed`` are the 32 secret bytes of RFC 8032."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())
        self.name = name
        self.key_id = self.verifier.key_id
        self.vkey = self.verifier.vkey

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message, 64 bytes; the same each time (RFC 8032)."""
        return self._key.sign(message)

    def private_text(self) -> str:
        """Return the secret text that ``signer_from`` reads."""
        return f"{PREFIX}{self.name}+{self.key_id.hex()}+" + _base64(
            _ED25519 + self._key.private_bytes_raw()
        )


def key_id_of(name: str, public: bytes) -> bytes:
    """Return the 4 bytes by which a note names its key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def new_signer(name: str) -> Signer:
    """Return a fresh key from the system's random numbers.

    Raises ``InvalidInput`` for a name that a key cannot have.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput(
            "a key cannot have this name.",
            "Use 1 to 60 letters, digits and the characters . _ : / ~ - as in people.example.com.",
        )
    return Signer(name, secrets.token_bytes(32))


def signer_from(text: str, source: str) -> Signer:
    """Return the key that a private text holds. ``source`` says where the text is from.

    Raises ``SealKeyError``, which does not repeat the text.
    """
    if not text.startswith(PREFIX):
        raise SealKeyError(f"{source} holds no private key: it must begin with {PREFIX}.", MAKE_ONE)
    name, key_id, seed = _parts(text.removeprefix(PREFIX), source)
    signer = Signer(name, seed)
    _refuse_foreign_id(signer.key_id, key_id, source)
    return signer


def verifier_from(text: str, source: str) -> Verifier:
    """Return the public key that a vkey holds. ``source`` says where the text is from.

    Raises ``SealKeyError``.
    """
    if text.startswith(PREFIX):
        raise SealKeyError(
            f"{source} holds a private key.", "Keep that secret; list the vkey that belongs to it."
        )
    name, key_id, public = _parts(text, source)
    verifier = Verifier(name, public)
    _refuse_foreign_id(verifier.key_id, key_id, source)
    return verifier


def signer() -> Signer:
    """Return the key that seals the record.

    Development makes one in its data directory. Raises ``SealKeyError`` when there is none that
    can be used.
    """
    return _own(
        settings.TENANTRY_SEAL_KEY,
        settings.TENANTRY_SEAL_KEY_FILE,
        None if settings.TENANTRY_PRODUCTION else settings.TENANTRY_DATA,
    )


def verifiers() -> dict[tuple[str, bytes], Verifier]:
    """Return the public keys of the record by name and key id: the own one first, then older ones.

    Raises ``SealKeyError`` as ``signer`` does, and for an older key that cannot be used.
    """
    own = signer().verifier
    found = {(own.name, own.key_id): own}
    for number, text in enumerate(settings.TENANTRY_SEAL_KEYS, start=1):
        older = verifier_from(text, f"Key {number} of TENANTRY_SEAL_KEYS")
        known = found.setdefault((older.name, older.key_id), older)
        if known.vkey != older.vkey:
            raise SealKeyError(
                f"Key {number} of TENANTRY_SEAL_KEYS has name and id of another key.",
                "Notes could not say which of the two is meant. Make a key with another name.",
            )
    return found


@cache
def _own(text: str | None, file: Path | None, data: Path | None) -> Signer:
    if text and file:
        raise SealKeyError(
            "TENANTRY_SEAL_KEY and TENANTRY_SEAL_KEY_FILE are both set.", "Remove one of them."
        )
    if text:
        return signer_from(text, "TENANTRY_SEAL_KEY")
    if file:
        source = f"TENANTRY_SEAL_KEY_FILE {str(file)[:80]}"
        return signer_from(_private_text_in(file, source), source)
    if data is None:
        raise SealKeyError("TENANTRY_SEAL_KEY is missing: nothing can sign the record.", MAKE_ONE)
    return _development_signer(data)


def _private_text_in(file: Path, source: str) -> str:
    """Return what a file holds that nobody but its owner can read."""
    try:
        # A pipe without a writer would hold up the start for ever.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            # Of what is open and not of the path, which may be another file by then.
            mode = os.fstat(descriptor).st_mode
            content = opened.read(_LONGEST_FILE) if stat.S_ISREG(mode) else None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise SealKeyError(
            f"{source} cannot be read: {why}.", "Name a file that this user can read."
        ) from None
    if content is None:
        raise SealKeyError(f"{source} is no regular file.", "Name a file with one key in it.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SealKeyError(
            f"{source} can be used by others (mode {stat.S_IMODE(mode):04o}).",
            "Make it private: chmod 600. If others may have read it, make a new key.",
        )
    return content.decode(errors="replace").strip()


def _development_signer(data: Path) -> Signer:
    """Return the key kept in ``data``, making it first if there is none.

    Written aside and then linked to its name, which succeeds for one process alone: whoever sees
    the file sees all of it.
    """
    path = data / DEVELOPMENT_FILE
    if not path.exists():
        text = new_signer(DEVELOPMENT_NAME).private_text()
        aside = data / f".{DEVELOPMENT_FILE}.{secrets.token_hex(8)}"
        try:
            data.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text + "\n")
            path.hardlink_to(aside)
        except FileExistsError:
            pass  # Another process of the same start was faster.
        except OSError as error:
            raise SealKeyError(
                f"{path} could not be written: {error.strerror}.",
                "Set TENANTRY_DATA.",
            ) from None
        finally:
            aside.unlink(missing_ok=True)
    source = f"The development key {path}"
    return signer_from(_private_text_in(path, source), source)


def _parts(text: str, source: str) -> tuple[str, bytes, bytes]:
    """Return name, key id and the 32 bytes of ``name+id+key``."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not (NAME.fullmatch(name) and re.fullmatch("[0-9a-f]{8}", key_id)):
        raise SealKeyError(
            f"{source} is no key: it must have a name, 8 hexadecimal digits and the key between +.",
            "Copy the whole line that manage.py activity keygen printed.",
        )
    try:
        key = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 33 or _base64(key) != encoded:
        raise SealKeyError(
            f"{source} was cut short or altered: what follows the id is not 33 bytes in Base64.",
            "Copy the whole line that manage.py activity keygen printed.",
        )
    if key[:1] != _ED25519:
        raise SealKeyError(f"{source} is a key of another kind, not Ed25519.", MAKE_ONE)
    return name, bytes.fromhex(key_id), key[1:]


def _refuse_foreign_id(right: bytes, given: bytes, source: str) -> None:
    if right != given:
        raise SealKeyError(
            f"{source} was altered: name and key do not have the id {given.hex()}.",
            "Copy the whole line that manage.py activity keygen printed.",
        )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
