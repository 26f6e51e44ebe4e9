"""Drop indexes that say nothing which another does not, or that nothing reads.

A unique constraint on (group, permission) is an index by group as well, so Django's own index on
the first of the two is a second copy. Who had which role on a day is asked of all memberships at
once. Each would be in every tenant's schema.
"""

from django.db import migrations

COVERED = {
    "accounts_customuser_user_permissions_customuser_id_0deaefae": (
        "accounts_customuser_user_permissions (customuser_id)"
    ),
    "accounts_historicalmembership_group_id_a4df02c0": "accounts_historicalmembership (group_id)",
    "accounts_historicalmembership_user_id_cede2849": "accounts_historicalmembership (user_id)",
    "auth_group_permissions_group_id_b120cbf9": "auth_group_permissions (group_id)",
    "auth_permission_content_type_id_2f476e4b": "auth_permission (content_type_id)",
}


class Migration(migrations.Migration):
    """Takes nothing away that code of any release could miss."""

    contract = "No release came before it: no code runs that the indexes would be missing for."

    dependencies = [
        ("accounts", "0006_token_of_person"),
        ("auth", "0002_capture"),
    ]

    operations = [
        migrations.RunSQL(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {what}")
        for name, what in COVERED.items()
    ]
