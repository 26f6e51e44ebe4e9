"""Messages of one page to the next, in a cookie that is good where it was set."""

from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage

from tenants.context import current_scope


class TenantCookieStorage(CookieStorage):
    """Signed for the tenant: carried to another by hand, the cookie holds no messages."""

    @property
    def key_salt(self) -> str:  # type: ignore[override]
        """What the signature is bound to."""
        return f"{CookieStorage.key_salt}/{current_scope()}"

    @property
    def cookie_name(self) -> str:  # type: ignore[override]
        """Named so that browsers keep it to its host, where it is secure."""
        return "__Host-messages" if settings.SESSION_COOKIE_SECURE else "messages"


class MessageStorage(FallbackStorage):
    """In the cookie; what does not fit there, in the session."""

    storage_classes: Any = (TenantCookieStorage, SessionStorage)
