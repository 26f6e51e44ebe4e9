"""Drop Django's log of what the admin did: the record says it, and proves it."""

from django.db import migrations


class Migration(migrations.Migration):
    """Takes away what nothing has read, and nothing wrote."""

    contract = "No release came before it: no code runs that would write the log or read it."

    dependencies = [
        ("admin", "0001_initial"),
        # Which drops an index of the table.
        ("accounts", "0002_unread_indexes"),
    ]

    operations = [migrations.DeleteModel("LogEntry")]
