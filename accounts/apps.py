"""Start-up of the accounts app."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    """Makes people known to the record, and administrators makeable by the platform."""

    name = "accounts"
    verbose_name = "People"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Declare what is recorded, and replace Django's way of noting the last sign-in."""
        from django.contrib.sessions.models import Session

        from accounts import (  # noqa: F401
            admin,
            administrators,
            erasure,
            factor_reports,
            ownership,
            records,
            reports,
            roles,
            sessions,
            signins,
            token_admin,
        )
        from accounts.support import desk, ending, forgetting, noticing
        from activity.forgetting import people, places
        from activity.overview import attention
        from tenants import lifecycle, purging, support
        from tenants.administrators import register
        from tenants.archive.contents import leave_out

        records.declare_models()
        # A row of Django's model is read by Django's store, whose signature is another.
        store = staticmethod(lambda: sessions.SessionStore)
        Session.get_session_store_class = store  # type: ignore[method-assign]
        register(administrators.OFFICE)
        people.register(erasure.PEOPLE)
        support.register(desk.DESK)
        lifecycle.changed.connect(ending.heed, dispatch_uid="end_support_of_closed")
        purging.register("support accesses", ending.forget)
        places.PLACES.append(forgetting.accesses)
        attention.FINDERS += [ownership.sole_administrator, noticing.support_access]
        leave_out("django_session", "a session belongs to the place where it was begun")
        leave_out("accounts_apitoken", "a token is good where it was made")
        leave_out("account_emailconfirmation", "one-time links are not for two places")
        # Django saves the whole row, which would be a change to be recorded at every sign-in.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        user_logged_in.connect(signins.note_sign_in, dispatch_uid="note_sign_in")
