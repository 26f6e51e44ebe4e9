"""How a command comes by a password: a prompt, standard input, or not at all.

Never by an argument, which every user of the machine can read in the list of processes.
"""

import argparse
import getpass
import sys

from tenants.errors import InvalidInput


def add_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--password-stdin``."""
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input; without it, a prompt on a terminal, "
        "else a one-time link is printed",
    )


def obtain(options: argparse.Namespace) -> str | None:
    """Return the password that was given, or ``None`` for a one-time link.

    Raises ``InvalidInput`` when standard input holds none or the two typed ones differ.
    """
    if options.password_stdin:
        return _from_standard_input()
    if options.dry_run or options.as_json or not (sys.stdin and sys.stdin.isatty()):
        return None
    password = getpass.getpass("Password (empty: print a one-time link instead): ")
    if password and getpass.getpass("Again: ") != password:
        raise InvalidInput("the two passwords differ.", "Run the command again.")
    return password or None


def _from_standard_input() -> str:
    try:
        password = (sys.stdin.readline() if sys.stdin else "").rstrip("\r\n")
        # Depending on the locale, Python reads bytes that are no text without complaint.
        password.encode()
    except UnicodeError:
        raise InvalidInput(
            "standard input held no text in UTF-8.", "Pipe one line into --password-stdin."
        ) from None
    if not password:
        raise InvalidInput(
            "standard input held no password.", "Pipe one line into --password-stdin."
        )
    return password
