"""Which apps there are, and in which schemas each has tables."""

# Order matters: unfold's templates win over django_tenants' (which ships an app_list.html that
# breaks the sidebar), ours win over both, and our commands win over those of the same name.
_LOOK = [
    "config",
    "tenants",
    "activity",
    "accounts",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.simple_history",
]

# In every schema: public's people are the platform's operators, a tenant's are its own.
_EVERYWHERE = [
    "config.contrib.AuthConfig",
    "config.contrib.ContentTypesConfig",
    "config.contrib.AdminConfig",
    "django.contrib.sessions",
    "allauth.account",
    "config.contrib.MFAConfig",
    "activity",
    "accounts",
]

_WITHOUT_TABLES = [
    "django_tenants",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "simple_history",
    "pgtrigger",
    "csp",
    "drf_spectacular",
]

INSTALLED_APPS = list(dict.fromkeys([*_LOOK, *_EVERYWHERE, *_WITHOUT_TABLES]))
SHARED_APPS = INSTALLED_APPS
TENANT_APPS = [app for app in INSTALLED_APPS if app != "tenants"]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"

# Django's and allauth's own tables with 64-bit keys, from one migration each (ADR 0005).
MIGRATION_MODULES = {
    "account": "config.contrib_migrations.account",
    "admin": "config.contrib_migrations.admin",
    "auth": "config.contrib_migrations.auth",
    "contenttypes": "config.contrib_migrations.contenttypes",
    "mfa": "config.contrib_migrations.mfa",
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ALLAUTH_DEFAULT_AUTO_FIELD = DEFAULT_AUTO_FIELD

# History is read by row, and then by time: the index on the row's key is enough.
SIMPLE_HISTORY_DATE_INDEX = False
