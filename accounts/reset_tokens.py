"""Links to choose a password: good in the place they were made in, and nowhere else."""

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator

from accounts.models import CustomUser
from tenants.context import current_scope


class TenantPasswordResetTokenGenerator(PasswordResetTokenGenerator):
    """Links to choose a password.

    They die with a new password or a sign-in (Django sees to both), with a new address, and are
    bound to the tenant, so that equal keys and hashes elsewhere do not help.
    """

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        assert isinstance(user, CustomUser)
        return f"{super()._make_hash_value(user, timestamp)}{user.email}{current_scope()}"
