"""Bare Django: what ``startproject`` makes, with one schema and no middleware.

The database connection is kept, as it is for all contestants: opening one costs more than most
requests.
"""

import os

import dj_database_url

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = [f".{os.environ['TENANTRY_BASE_DOMAIN']}"]
ROOT_URLCONF = "benchmarks.web.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

WEB_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "benchmarks.web",
]
INSTALLED_APPS = WEB_APPS

DATABASES = {
    "default": dj_database_url.parse(
        os.environ["DATABASE_URL"], engine="django.db.backends.postgresql", conn_max_age=600
    )
}
MIDDLEWARE: list[str] = []

STARTPROJECT_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
