"""With which statements the database is told who acts."""

import pytest

from tenants.backend import telling


@pytest.mark.parametrize(
    ("sql", "may"),
    [
        ('UPDATE "accounts_customuser" SET "last_seen" = %s', True),
        ('DELETE FROM "auth_group_permissions" WHERE 1 = 1', True),
        ('INSERT INTO "account_emailaddress" ("email") VALUES (%s)', True),
        ('INSERT INTO "activity_activityevent" ("id") VALUES (%s)', False),
        ('UPDATE "django_session" SET "expire_date" = %s', False),
        ("INSERT INTO accounts_customuser (username) VALUES ('\"django_session\"')", True),
        ("DELETE FROM accounts_customuser", True),
        ('SELECT "accounts_customuser"."id" FROM "accounts_customuser"', False),
        ('SELECT COUNT(*) AS "__count" FROM "auth_group"', False),
        ('SELECT 1 AS "a" FROM "auth_group" LIMIT 1', False),
        ("SELECT erase_somebody(7)", True),
        ("SELECT nextval('x')", True),
    ],
)
def test_who_acts_is_told_with_what_may_change_a_recorded_row(sql: str, may: bool) -> None:
    assert telling.may_change(sql) is may


def test_what_was_told_is_not_shown() -> None:
    sql = 'UPDATE "x" SET "y" = 1'

    assert telling.without_setting(telling.setting() + sql) == sql
    assert telling.setting().count("'") == 2
    assert "%" not in telling.setting()
