"""Signing in and out, and passwords: allauth's views under the names it expects; API tokens."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from accounts import token_pages

urlpatterns: list[URLPattern | URLResolver] = [
    # Addresses are changed by administrators: no page of ours lets people add more of them.
    path("email/", RedirectView.as_view(pattern_name="home"), name="account_email"),
    path("tokens/", token_pages.tokens, name="api-tokens"),
    path("tokens/new/", token_pages.new_token, name="api-token-new"),
    path("tokens/<uuid:token_id>/revoke/", token_pages.revoke_token, name="api-token-revoke"),
    path("", include("allauth.account.urls")),
]
