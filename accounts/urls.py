"""Signing in and out, and passwords: allauth's views under the names it expects."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

urlpatterns: list[URLPattern | URLResolver] = [
    # Addresses are changed by administrators: no page of ours lets people add more of them.
    path("email/", RedirectView.as_view(pattern_name="home"), name="account_email"),
    path("", include("allauth.account.urls")),
]
