"""What a password may not be, beyond Django's own rules."""

from typing import Any, Final

from django.core.exceptions import ValidationError

MOST_CHARACTERS: Final = 1_024


class MaximumLengthValidator:
    """Refuse passwords so long that hashing them would be an attack; never cut them silently."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ``ValidationError`` above the bound."""
        if len(password) > MOST_CHARACTERS:
            raise ValidationError(
                f"This password is too long: use at most {MOST_CHARACTERS} characters.",
                code="password_too_long",
            )

    def get_help_text(self) -> str:
        """Return the rule as a sentence."""
        return f"Your password can have up to {MOST_CHARACTERS} characters, spaces included."
