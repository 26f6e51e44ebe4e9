"""Django's own apps with 64-bit keys.

Their defaults are 32-bit, which a schema that has moved to another node of a cluster cannot insert
into, and which cannot be changed there later (``docs/adr/0005-keys-are-64-bit-or-uuid.md``).
"""

from typing import Any

from allauth.mfa.apps import MFAConfig as AllauthMFAConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.auth.apps import AuthConfig as DjangoAuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig as DjangoContentTypesConfig
from django.db.models import UniqueConstraint


class AuthConfig(DjangoAuthConfig):
    """Permissions and groups, called roles in the panel."""

    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Roles"

    def ready(self) -> None:
        """Call groups what people call them."""
        super().ready()
        group = self.get_model("Group")
        group._meta.verbose_name, group._meta.verbose_name_plural = "role", "roles"


class ContentTypesConfig(DjangoContentTypesConfig):
    """Content types."""

    default_auto_field = "django.db.models.BigAutoField"


class AdminConfig(SimpleAdminConfig):
    """The admin without discovery, each of the two sites says itself what it shows; without a log.

    Its one model, the log, is no model here: no schema has its table, nothing refers to people or
    content types, so deleting somebody asks for no entries:
    ``docs/adr/0043-the-panel-keeps-no-log-of-its-own.md``.
    """

    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Import the model, so that nobody else makes it known later, and forget it."""
        super().import_models()
        self.models.pop("logentry")
        assert self.apps is not None
        self.apps.clear_cache()


class MFAConfig(AllauthMFAConfig):  # type: ignore[misc]
    """Second factors, with one index where allauth has two: each is there once for every tenant.

    Theirs is of some kinds only, for the sake of security keys, of which somebody has several.
    There are none here, so one of all kinds enforces the rule and finds a person's rows.
    """

    def import_models(self) -> None:
        """Import the model, and change it before anybody looks."""
        super().import_models()
        meta: Any = self.models["authenticator"]._meta
        [theirs] = meta.constraints
        meta.constraints = [UniqueConstraint(fields=["user", "type"], name=theirs.name)]
        meta.get_field("user").db_index = False
