"""Django keeps a log of what its admin did. Here nothing writes it, reads it, or has its table."""

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group
from django.db import connection
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.models import CustomUser
from tenants.context import enter_platform, enter_tenant
from tenants.sites import PlatformSite, TenantSite, platform_site, tenant_site
from tests.accounts.test_panel import change

TABLE = "django_admin_log"


def tables() -> set[str]:
    return set(connection.introspection.table_names())


def test_no_schema_has_its_table(acme):
    with enter_tenant(acme):
        assert "auth_group" in tables()
        assert TABLE not in tables()
    with enter_platform():
        assert "auth_group" in tables()
        assert TABLE not in tables()


class ElsewhereAdmin(ModelAdmin):
    """As an app of somebody else's would register it."""


@pytest.mark.parametrize("kind", [PlatformSite, TenantSite])
def test_an_admin_of_somebody_elses_app_writes_none(in_acme, ann, kind):
    site = kind()
    site.register([Group], ElsewhereAdmin)
    site.register(CustomUser)
    request = RequestFactory().post("/")
    request.user = ann
    for model in (Group, CustomUser):
        admin = site._registry[model]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            admin.log_addition(request, ann, "added")
            admin.log_change(request, ann, "changed")
            admin.log_deletions(request, CustomUser.objects.none())
        assert not queries.captured_queries
    assert isinstance(site._registry[Group], ElsewhereAdmin)


def test_what_is_done_in_the_panel_is_in_the_record_and_costs_no_entry(
    acme, ann, cleo, browser, recorded
):
    client = browser(acme, ann)
    with CaptureQueriesContext(connection) as queries:
        change(client, acme, cleo, display_name="Cleopatra")
    assert recorded(acme, "user.changed")[-1].target_id == str(cleo.public_id)
    assert not [one for one in queries.captured_queries if TABLE in one["sql"]]


def test_removing_somebody_asks_for_no_entries(in_acme, cleo):
    with CaptureQueriesContext(connection) as queries:
        cleo.delete()
    assert queries.captured_queries
    assert not [one for one in queries.captured_queries if TABLE in one["sql"]]


def test_templates_that_show_what_was_done_last_show_nothing(in_acme, ann):
    request = RequestFactory().get("/")
    request.user = ann
    for site in (platform_site, tenant_site):
        said = Template(
            "{% load log %}{% get_admin_log 10 as entries for_user user %}"
            "{% for entry in entries %}{{ entry }}{% empty %}none{% endfor %}"
        ).render(Context({"log_entries": site.get_log_entries(request), "user": ann}))
        assert said == "none"


def test_a_page_of_history_that_would_be_made_of_it_is_not_there(acme, ann, browser):
    client = browser(acme, ann)
    token = "0199aa00-0000-7000-8000-000000000002"
    assert client.get(f"/admin/accounts/apitoken/{token}/history/").status_code == 404
    assert client.get(f"/admin/accounts/customuser/{ann.pk}/history/").status_code == 200


def test_somebody_elses_import_of_the_log_does_not_bring_it_back(db):
    from django.apps import apps
    from django.contrib.admin.models import LogEntry

    assert LogEntry not in apps.get_models()
    assert LogEntry not in {one.related_model for one in CustomUser._meta.related_objects}
    with pytest.raises(LookupError):
        apps.get_model("admin", "LogEntry")
