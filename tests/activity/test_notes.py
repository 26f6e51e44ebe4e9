"""Checkpoints as signed notes: one form, and every other text is refused."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from activity.sealing.keys import Signer, Verifier
from activity.sealing.notes import (
    LONGEST_NOTE,
    BadSignature,
    Checkpoint,
    NoteError,
    Signature,
    UnknownKey,
    checked,
    parsed,
    written,
)

SEED = bytes(range(32))
NAME = "people.example.com"
SIGNER = Signer(NAME, SEED)
KNOWN = {(NAME, SIGNER.key_id): SIGNER.verifier}
TENANT = "tenantry/0190163d-8694-739b-aea5-966c26f8ad91"
NOTHING = hashlib.sha256(b"").digest()
CHECKPOINT = Checkpoint(
    TENANT, 1234, hashlib.sha256(b"root").digest(), datetime(2026, 1, 2, 3, 4, 5, 6, UTC), NOTHING
)
NOTE = written(CHECKPOINT, SIGNER)

hashes = st.binary(min_size=32, max_size=32)
checkpoints = st.builds(
    Checkpoint,
    origin=st.uuids().map(lambda uuid: f"tenantry/{uuid}") | st.just("tenantry/platform"),
    size=st.integers(0, 2**63 - 1),
    root=hashes,
    sealed_at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001
        lambda naive: naive.replace(tzinfo=UTC)
    ),
    previous=hashes,
)


def verifiers(*signers: Signer) -> dict[tuple[str, bytes], Verifier]:
    return {(one.name, one.key_id): one.verifier for one in signers}


def test_a_note_is_what_the_specification_says_byte_for_byte() -> None:
    """Put together here with the standard library and the primitive alone."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(b"people.example.com\n\x01" + public).digest()[:4]
    text = (
        "tenantry/0190163d-8694-739b-aea5-966c26f8ad91\n"
        "1234\n"
        "SBNJTRN+FjG7owHVrKtuegYU5Yk1QDnjx7iVY5MaeuU=\n"
        "sealed 2026-01-02T03:04:05.000006Z\n"
        "previous 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    ).replace(
        "SBNJTRN+FjG7owHVrKtuegYU5Yk1QDnjx7iVY5MaeuU=",
        base64.b64encode(hashlib.sha256(b"root").digest()).decode(),
    )
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()

    assert CHECKPOINT.text() == text
    assert f"{text}\n\u2014 people.example.com {signature}\n" == NOTE


@given(checkpoints)
def test_what_is_written_is_read_again(checkpoint: Checkpoint) -> None:
    note = written(checkpoint, SIGNER)

    assert checked(note, KNOWN) == checkpoint
    assert written(checked(note, KNOWN), SIGNER) == note


def test_the_longest_note_fits() -> None:
    longest = Signer("x" * 60, SEED)
    note = written(Checkpoint(TENANT, 2**63 - 1, NOTHING, CHECKPOINT.sealed_at, NOTHING), longest)

    assert len(note) == 357
    assert len(note) <= LONGEST_NOTE
    assert checked(note, verifiers(longest)).size == 2**63 - 1


def test_reading_names_who_signed() -> None:
    checkpoint, signatures = parsed(NOTE)

    assert checkpoint == CHECKPOINT
    assert signatures == [Signature(NAME, SIGNER.key_id, SIGNER.sign(CHECKPOINT.text().encode()))]


def refused(note: str) -> bool:
    try:
        checked(note, KNOWN)
    except NoteError as error:
        return str(error).endswith(".")
    return False


def decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None  # Not even a text.


def test_any_changed_byte_is_refused() -> None:
    """Each byte in turn, with each bit of it turned over, and with what looks alike."""
    content = NOTE.encode()
    for position, byte in enumerate(content):
        others = {byte ^ (1 << bit) for bit in range(8)} | set(b"\n\r\t 0A=-+/") - {byte}
        for other in others:
            text = decoded(content[:position] + bytes([other]) + content[position + 1 :])
            assert text is None or refused(text), (position, other)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_any_byte_changed_into_any_other_is_refused(position: int, difference: int) -> None:
    content = bytearray(NOTE.encode())
    content[position] ^= difference
    text = decoded(bytes(content))

    assert text is None or refused(text)


@given(st.integers(0, len(NOTE)), st.integers(0, 3), st.text(max_size=3))
@example(len(NOTE), 0, "\n")
@example(0, 0, "\ufeff")
def test_any_cut_or_inserted_text_is_refused(position: int, cut: int, insertion: str) -> None:
    note = NOTE[:position] + insertion + NOTE[position + cut :]

    assert note == NOTE or refused(note)


@given(st.text(max_size=500))
def test_any_other_text_is_refused(note: str) -> None:
    assert refused(note)


LINES = NOTE.split("\n")


def with_line(number: int, line: str) -> str:
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]])


@pytest.mark.parametrize(
    ("note", "what"),
    [
        ("", "cut short"),
        (NOTE[:-1], "cut short"),
        (NOTE + "\n", "not 8"),
        (NOTE + LINES[6] + "\n", "at most 450|not 8"),
        (with_line(6, "extra\n"), "not 8"),
        ("\n".join(LINES[1:]), "not 6"),
        (NOTE * 2, "at most 450"),
        (NOTE.replace("\n", "\r\n"), "origin|number"),
        (with_line(1, "tenantry/acme"), "origin"),
        (with_line(1, TENANT.upper().replace("TENANTRY", "tenantry")), "origin"),
        (with_line(1, "tenantry/platform "), "origin"),
        (with_line(2, "01234"), "number of events"),
        (with_line(2, "+1234"), "number of events"),
        (with_line(2, "-1"), "number of events"),
        (with_line(2, "1_234"), "number of events"),
        (with_line(2, "\u0661"), "number of events"),
        (with_line(2, str(2**63)), "63 bits"),
        (with_line(2, "9" * 20), "number of events"),
        (with_line(3, LINES[2].rstrip("=")), "line 3 does not hold 32 bytes"),
        (with_line(3, LINES[2][:-2] + chr(ord(LINES[2][-2]) + 1) + "="), "line 3|signature"),
        (with_line(3, LINES[2].replace("/", "_").replace("+", "-") + " "), "line 3"),
        (with_line(4, "sealed 2026-01-02T03:04:05Z"), "line 4"),
        (with_line(4, "sealed 2026-01-02T03:04:05.000006+00:00"), "line 4"),
        (with_line(4, "sealed 2026-02-30T03:04:05.000006Z"), "line 4"),
        (with_line(4, "sealed 2026-01-02T24:00:00.000000Z"), "line 4|another form"),
        (with_line(4, "Sealed 2026-01-02T03:04:05.000006Z"), "line 4 does not begin"),
        (with_line(5, LINES[4].removeprefix("previous ")), "line 5 does not begin"),
        (with_line(6, " "), "line 6 is not empty"),
        (with_line(7, LINES[6].replace("\u2014", "-")), "line 7 does not begin"),
        (with_line(7, LINES[6].replace(NAME, "people+example")), "line 7 names no key"),
        (with_line(7, LINES[6].replace(f"{NAME} ", f"{NAME}  ")), "line 7"),
        (with_line(7, LINES[6] + " "), "line 7"),
        (with_line(7, LINES[6][:-4]), "line 7 does not hold 68 bytes"),
    ],
)
def test_what_is_wrong_is_said(note: str, what: str) -> None:
    with pytest.raises(NoteError, match=what):
        checked(note, KNOWN)


def test_spare_bits_of_base64_are_no_second_form() -> None:
    """The last digit before ``=`` has two bits that decoders ignore."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for number in (3, 5, 7):
        line = LINES[number - 1]
        twin = line[:-2] + alphabet[alphabet.index(line[-2]) + 1] + "="
        last = line.rpartition(" ")[2], twin.rpartition(" ")[2]
        assert base64.b64decode(last[0]) == base64.b64decode(last[1])
        with pytest.raises(NoteError, match=f"line {number} does not hold"):
            parsed(with_line(number, twin))


# Keys


def test_a_note_of_an_unknown_key_is_refused_by_the_keys_name_and_id() -> None:
    with pytest.raises(UnknownKey, match=rf"{NAME}\+{SIGNER.key_id.hex()}"):
        checked(NOTE, {})
    with pytest.raises(UnknownKey):
        checked(NOTE, verifiers(Signer("another.example", SEED)))


def test_a_note_signed_in_another_keys_name_is_refused() -> None:
    impostor = Signer(NAME, bytes(32))
    impostor.key_id = SIGNER.key_id

    with pytest.raises(BadSignature, match="the signature is not the key's"):
        checked(written(CHECKPOINT, impostor), KNOWN)


def test_a_signature_of_another_checkpoint_is_refused() -> None:
    other = written(Checkpoint(TENANT, 1235, NOTHING, CHECKPOINT.sealed_at, NOTHING), SIGNER)

    with pytest.raises(BadSignature):
        checked(with_line(7, other.split("\n")[6]), KNOWN)


def test_notes_of_an_older_key_still_verify_after_rotation() -> None:
    fresh = Signer(NAME, bytes(reversed(SEED)))
    known = verifiers(fresh, SIGNER)

    assert checked(NOTE, known) == CHECKPOINT
    assert checked(written(CHECKPOINT, fresh), known) == CHECKPOINT


# What no note can say


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origin", "acme"),
        ("origin", "tenantry/platform\n"),
        ("origin", f"{TENANT}\n5"),
        ("size", -1),
        ("size", 2**63),
        ("root", b"short"),
        ("previous", b""),
        ("sealed_at", datetime(2026, 1, 2)),  # noqa: DTZ001
    ],
)
def test_a_checkpoint_that_no_note_can_say_cannot_be_made(field: str, value: Any) -> None:
    given = {name: getattr(CHECKPOINT, name) for name in CHECKPOINT.__dataclass_fields__}

    with pytest.raises(NoteError):
        Checkpoint(**(given | {field: value}))


def test_a_moment_of_another_zone_is_written_in_utc() -> None:
    elsewhere = CHECKPOINT.sealed_at.astimezone(timezone(timedelta(hours=5, minutes=45)))
    same = Checkpoint(TENANT, 1234, CHECKPOINT.root, elsewhere, NOTHING)

    assert same == CHECKPOINT
    assert written(same, SIGNER) == NOTE
