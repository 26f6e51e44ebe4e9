"""Signing in and out, and passwords: allauth's views under the names it expects; what is ours."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from accounts import factor_pages, factor_signin, token_pages

urlpatterns: list[URLPattern | URLResolver] = [
    # Addresses are changed by administrators: no page of ours lets people add more of them.
    path("email/", RedirectView.as_view(pattern_name="home"), name="account_email"),
    path("tokens/", token_pages.tokens, name="api-tokens"),
    path("tokens/new/", token_pages.new_token, name="api-token-new"),
    path("tokens/<uuid:token_id>/revoke/", token_pages.revoke_token, name="api-token-revoke"),
    path("second-factor/", factor_pages.second_factor, name="second-factor"),
    path("second-factor/on/", factor_pages.switch_on, name="second-factor-on"),
    path("second-factor/codes/", factor_pages.new_codes, name="second-factor-codes"),
    path("second-factor/off/", factor_pages.switch_off, name="second-factor-off"),
    path("second-factor/sign-in/", factor_signin.asked, name="second-factor-asked"),
    path("", include("allauth.account.urls")),
]
