"""What people are told of a code that was not taken."""

from typing import Final

from accounts.second_factors import Verdict

_SAID: Final = {
    Verdict.WRONG: "That is not the right code. Look at the app again, and at the phone's clock.",
    Verdict.USED: "That code was used already. Wait for the next one.",
    Verdict.TOO_MANY: "Too many wrong codes. Wait some minutes, then try again.",
    Verdict.UNREADABLE: (
        "Your second factor cannot be read here any more. Use a recovery code, or ask an "
        "administrator to take it away."
    ),
}


def said_of(verdict: Verdict) -> str:
    """Return the sentence."""
    return _SAID[verdict]
