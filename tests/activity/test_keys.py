"""The keys of the record: how they are read, made, rotated and published."""

import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.test import Client

from activity.sealing import keys
from activity.sealing.keys import (
    SealKeyError,
    key_id_of,
    new_signer,
    signer,
    signer_from,
    verifier_from,
    verifiers,
)
from config.checks import production_is_safe
from config.environment import CHECKOUT
from tenants.errors import InvalidInput

# RFC 8032, section 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNED = b"\x72"
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
NAME = "people.example.com"

# The public key of Go's signed notes, from the documentation of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def texts(name: str = NAME, seed: bytes = SEED) -> tuple[str, str]:
    """The private text and the vkey of a seed, by the rules of the specification alone."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + b"\x01" + public).hexdigest()[:8]
    private = base64.b64encode(b"\x01" + seed).decode()
    return (
        f"PRIVATE+KEY+{name}+{key_id}+{private}",
        f"{name}+{key_id}+{base64.b64encode(bytes([1]) + public).decode()}",
    )


@pytest.fixture(autouse=True)
def _place(settings: Any, tmp_path: Path) -> None:
    """Each test has a data directory of its own, and no key."""
    settings.TENANTRY_DATA = tmp_path / "data"


def refusal(settings: Any, **given: Any) -> str:
    for name, value in given.items():
        setattr(settings, f"TENANTRY_SEAL_{name}", value)
    with pytest.raises(SealKeyError) as refused:
        verifiers()
    assert refused.value.hint
    return refused.value.message


# Texts


def test_a_key_is_the_one_of_the_standards(settings: Any) -> None:
    settings.TENANTRY_SEAL_KEY, vkey = texts()

    own = signer()

    assert (own.name, own.vkey) == (NAME, vkey)
    assert own.key_id.hex() == vkey.split("+")[1]
    assert own.sign(SIGNED) == SIGNATURE
    assert own.private_text() == texts()[0]
    assert own.verifier.is_good(SIGNED, SIGNATURE)


def test_a_public_key_of_gos_documentation_has_its_id() -> None:
    peter = verifier_from(PETER, "Go's documentation")
    # The note that this documentation shows.
    text = (
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n"
    )
    signed = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )

    assert peter.vkey == PETER
    assert signed[:4] == peter.key_id
    assert peter.is_good(text, signed[4:])
    assert not peter.is_good(text[:-1], signed[4:])


def test_a_signature_is_good_for_its_message_and_its_key_alone() -> None:
    one, other = new_signer(NAME), new_signer(NAME)
    signature = one.sign(b"message")

    assert len(signature) == 64
    assert one.verifier.is_good(b"message", signature)
    assert not one.verifier.is_good(b"massage", signature)
    assert not other.verifier.is_good(b"message", signature)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(64)):
        assert not one.verifier.is_good(b"message", wrong)


def test_the_key_id_depends_on_name_and_key() -> None:
    ids = {key_id_of(name, key) for name in ("a", "b") for key in (PUBLIC, bytes(32))}

    assert len(ids) == 4


PRIVATE, VKEY = texts()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "must begin with"),
        ("hunter2", "must begin with"),
        (VKEY, "must begin with"),
        ("-----BEGIN PRIVATE KEY-----", "must begin with"),
        ("PRIVATE+KEY+", "is no key"),
        (PRIVATE[:30], "is no key"),
        (PRIVATE.replace(NAME, "people example"), "is no key"),
        (PRIVATE.replace(NAME, "x" * 61), "is no key"),
        (PRIVATE[:-1], "cut short or altered"),
        (PRIVATE[:-4], "cut short or altered"),
        (PRIVATE + "A", "cut short or altered"),
        (PRIVATE + "\n" + PRIVATE, "cut short or altered"),
        (PRIVATE[:-44] + "Ag" + PRIVATE[-42:], "another kind"),
        (PRIVATE.replace(NAME, "people.example.org"), "was altered"),
        (PRIVATE[:-1] + ("A" if PRIVATE[-1] != "A" else "B"), "was altered"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str, what: str) -> None:
    with pytest.raises(SealKeyError, match=what) as refused:
        signer_from(text, "TENANTRY_SEAL_KEY")

    assert PRIVATE[-30:-4] not in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.message.startswith("TENANTRY_SEAL_KEY ")
    assert refused.value.hint


def test_a_private_key_among_the_public_ones_is_refused() -> None:
    with pytest.raises(SealKeyError, match="holds a private key") as refused:
        verifier_from(PRIVATE, "Key 1")

    assert PRIVATE[-30:-4] not in str(refused.value)


def test_no_text_of_a_key_shows_its_secret() -> None:
    assert PRIVATE[-44:] not in f"{signer_from(PRIVATE, 'x')!r} {signer_from(PRIVATE, 'x')}"


# Files


def key_file(place: Path, mode: int, text: str = PRIVATE + "\n") -> Path:
    file = place / "key"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_read(settings: Any, tmp_path: Path, mode: int) -> None:
    settings.TENANTRY_SEAL_KEY_FILE = key_file(tmp_path, mode)

    assert signer().vkey == VKEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])
def test_a_file_that_others_can_use_is_refused(settings: Any, tmp_path: Path, mode: int) -> None:
    message = refusal(settings, KEY_FILE=key_file(tmp_path, mode))

    assert f"can be used by others (mode {mode:04o})" in message


def test_a_file_that_is_none_is_refused(settings: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    assert "No such file" in refusal(settings, KEY_FILE=tmp_path / "missing")
    assert "directory" in refusal(settings, KEY_FILE=tmp_path)
    assert "no regular file" in refusal(settings, KEY_FILE=pipe)
    assert "must begin with" in refusal(settings, KEY_FILE=key_file(tmp_path, 0o600, "\0\xff" * 99))


def test_variable_and_file_at_once_are_refused(settings: Any, tmp_path: Path) -> None:
    assert "both set" in refusal(settings, KEY=PRIVATE, KEY_FILE=key_file(tmp_path, 0o600))


# Development and production


def test_development_makes_a_key_and_keeps_it(settings: Any) -> None:
    made = signer()
    keys._own.cache_clear()
    file = settings.TENANTRY_DATA / "seal_key"

    assert signer().vkey == made.vkey
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in settings.TENANTRY_DATA.iterdir()] == ["seal_key"]


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from activity.sealing import keys\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(keys._development_signer(Path(sys.argv[1])).vkey)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new")]
    processes = [
        subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    made = {process.communicate(timeout=60)[0] for process in processes}

    assert [process.returncode for process in processes] == [0] * 6
    assert len(made) == 1


def test_threads_that_begin_at_once_get_one_key(tmp_path: Path) -> None:
    for attempt in range(20):
        data = tmp_path / str(attempt)
        with ThreadPoolExecutor(8) as pool:
            made = pool.map(keys._development_signer, [data] * 8)
        assert len({one.vkey for one in made}) == 1


def test_production_makes_no_key_and_refuses_to_start(settings: Any) -> None:
    settings.TENANTRY_PRODUCTION = True

    assert "TENANTRY_SEAL_KEY is missing" in refusal(settings)
    assert not settings.TENANTRY_DATA.exists()
    assert "tenantry.E007" in [problem.id for problem in production_is_safe()]

    settings.TENANTRY_SEAL_KEY = PRIVATE
    assert "tenantry.E007" not in [problem.id for problem in production_is_safe()]


# Rotation


def test_older_keys_still_verify(settings: Any) -> None:
    settings.TENANTRY_SEAL_KEY = PRIVATE
    signature = signer().sign(b"message")
    fresh = new_signer(NAME)
    settings.TENANTRY_SEAL_KEY, settings.TENANTRY_SEAL_KEYS = fresh.private_text(), (VKEY, PETER)

    known = verifiers()

    assert [key.vkey for key in known.values()] == [fresh.vkey, VKEY, PETER]
    assert list(known) == [(key.name, key.key_id) for key in known.values()]
    older = known[NAME, signer_from(PRIVATE, "x").key_id]
    assert older.is_good(b"message", signature)


def test_the_own_key_may_be_listed_too(settings: Any) -> None:
    settings.TENANTRY_SEAL_KEY, settings.TENANTRY_SEAL_KEYS = PRIVATE, (VKEY, VKEY)

    assert [key.vkey for key in verifiers().values()] == [VKEY]


def test_an_older_key_that_cannot_be_used_is_named_by_its_place(settings: Any) -> None:
    message = refusal(settings, KEY=PRIVATE, KEYS=(PETER, VKEY[:-4]))

    assert message.startswith("Key 2 of TENANTRY_SEAL_KEYS was cut short")


# keygen


def test_keygen_prints_a_key_that_can_be_used(capsys: Any) -> None:
    call_command("activity", "keygen", "--name", NAME)

    private, vkey = capsys.readouterr()
    assert signer_from(private.strip(), "stdout").vkey == vkey.strip()
    assert private.startswith(f"PRIVATE+KEY+{NAME}+")
    assert len(private.splitlines()) == len(vkey.splitlines()) == 1


def test_keygen_makes_another_one_each_time_named_after_the_platform(capsys: Any) -> None:
    made = []
    for _ in range(2):
        call_command("activity", "keygen", "--json")
        out, err = capsys.readouterr()
        assert err == ""
        made.append(json.loads(out))

    assert made[0].keys() == {"key", "vkey"}
    assert made[0]["vkey"].startswith("localhost+")
    assert made[0]["key"] != made[1]["key"]


@pytest.mark.parametrize("name", ["a b", "a+b", "ä", "x" * 61, "a\nb", "a,b"])
def test_keygen_refuses_a_name_that_notes_cannot_have(name: str, capsys: Any) -> None:
    with pytest.raises(CommandError, match="a key cannot have this name") as refused:
        call_command("activity", "keygen", "--name", name)

    assert refused.value.returncode == InvalidInput.exit_status
    assert capsys.readouterr().out == ""


def test_keygen_needs_neither_key_nor_database_in_production() -> None:
    command = [sys.executable, "manage.py", "activity", "keygen", "--name", NAME]
    env = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings.production"}
    ran = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    assert signer_from(ran.stdout.strip(), "stdout").vkey == ran.stderr.strip()


# The published list

PAGE = "/.well-known/tenantry/keys"
HOSTS = ["acme.localhost", "localhost"]


@pytest.mark.parametrize("host", HOSTS)
def test_anybody_may_read_the_public_keys(host: str, settings: Any, acme: Any) -> None:
    settings.TENANTRY_SEAL_KEY, settings.TENANTRY_SEAL_KEYS = PRIVATE, (PETER,)

    response = Client(headers={"host": host}).get(PAGE)

    assert response.json() == {
        "keys": [
            {"name": NAME, "id": VKEY.split("+")[1], "vkey": VKEY, "current": True},
            {"name": "PeterNeumann", "id": "c74f20a3", "vkey": PETER, "current": False},
        ]
    }
    assert response["Content-Type"] == "application/json"
    assert set(re.split(", ", response["Cache-Control"])) == {"public", "max-age=300"}
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")
    assert PRIVATE[-44:] not in response.content.decode()


@pytest.mark.parametrize("host", HOSTS)
def test_the_list_asks_the_database_for_nothing(
    host: str, ann: Any, acme: Any, django_assert_num_queries: Any
) -> None:
    client = Client(headers={"host": host}, cookies={"session": "of-nobody"})
    client.get(PAGE)  # The process learns whose host it is.

    with django_assert_num_queries(0):
        assert client.get(PAGE).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "head"])
def test_the_list_is_only_read(method: str, acme: Any) -> None:
    response = getattr(Client(headers={"host": "acme.localhost"}), method)(PAGE)

    assert response.status_code == 405


def test_a_host_that_nobody_owns_has_no_list(db: None) -> None:
    assert Client(headers={"host": "nobody.localhost"}).get(PAGE).status_code == 404


def test_without_a_usable_key_strangers_learn_nothing(settings: Any, acme: Any) -> None:
    settings.TENANTRY_SEAL_KEY = PRIVATE[:-4]

    client = Client(headers={"host": "acme.localhost"}, raise_request_exception=False)
    response = client.get(PAGE)

    assert response.status_code == 500
    assert "public" not in response.get("Cache-Control", "")
    assert "SEAL_KEY" not in response.content.decode()
    assert PRIVATE[-30:-4] not in response.content.decode()
