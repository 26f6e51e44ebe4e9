"""Drop indexes that nothing reads: each would be in every tenant's schema.

Django makes the ``_like`` ones for every unique or indexed text, for ``LIKE`` in databases with
another collation; no search here begins with a text and ends with ``%``. The others serve deleting
a row that many refer to; what refers to a permission, a content type or an unsent confirmation is
few rows, read whole.
"""

from django.db import migrations

UNREAD = {
    "account_emailaddress_email_03be32b2_like": "account_emailaddress (email varchar_pattern_ops)",
    "account_emailconfirmation_key_f43612bd_like": (
        "account_emailconfirmation (key varchar_pattern_ops)"
    ),
    "account_emailconfirmation_email_address_id_5b7f8c58": (
        "account_emailconfirmation (email_address_id)"
    ),
    "accounts_customuser_user_permissions_permission_id_aea3d0e5": (
        "accounts_customuser_user_permissions (permission_id)"
    ),
    "auth_group_name_a6ea08ec_like": "auth_group (name varchar_pattern_ops)",
    "auth_group_permissions_permission_id_84c5c92e": "auth_group_permissions (permission_id)",
    "django_admin_log_content_type_id_c4bce8eb": "django_admin_log (content_type_id)",
    "django_session_session_key_c0390e0f_like": "django_session (session_key varchar_pattern_ops)",
}


class Migration(migrations.Migration):
    """Takes nothing away that code of any release could miss."""

    contract = "No release came before it: no code runs that the indexes would be missing for."

    dependencies = [
        ("account", "0001_initial"),
        ("accounts", "0001_initial"),
        ("admin", "0001_initial"),
        ("auth", "0001_initial"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {what}")
        for name, what in UNREAD.items()
    ]
