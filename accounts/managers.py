"""The words with which the rest of the code asks for people."""

from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from django.contrib.auth.models import UserManager
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.models import CustomUser


class CustomUserQuerySet(models.QuerySet["CustomUser"]):
    """Selections of people that read as what they are."""

    def active(self) -> "CustomUserQuerySet":
        """People who may sign in."""
        return self.filter(is_active=True)

    def deactivated(self) -> "CustomUserQuerySet":
        """People who may not."""
        return self.filter(is_active=False)

    def administrators(self) -> "CustomUserQuerySet":
        """People who may do everything here."""
        return self.filter(is_superuser=True)

    def panel_users(self) -> "CustomUserQuerySet":
        """People who may open the panel."""
        return self.filter(is_staff=True)

    def never_signed_in(self) -> "CustomUserQuerySet":
        """People who have not come yet."""
        return self.filter(last_login=None)


class CustomUserManager(UserManager.from_queryset(CustomUserQuerySet)):  # type: ignore[misc]
    """Makes people, and finds the one who signs in."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return an address in the form that is stored: lower case, so that it is unique."""
        return (email or "").strip().lower()

    @classmethod
    def normalize_username(cls, name: str | None) -> str:
        """Return a user name in the form that is stored: lower case, and one spelling (NFKC)."""
        return normalize("NFKC", normalize("NFKC", name or "").lower())

    def by_login(self, typed: str) -> "CustomUser | None":
        """Return whoever signs in with this e-mail or user name, active or not."""
        login = typed.strip().lower()
        if not login or "\0" in login:
            return None
        name = self.normalize_username(login)
        found: CustomUser | None = self.filter(Q(username=name) | Q(email=login)).first()
        return found

    def get_by_natural_key(self, username: str | None) -> Any:
        """Find by user name in whatever case it was typed: they are stored in lower case."""
        return super().get_by_natural_key(self.normalize_username(username))
