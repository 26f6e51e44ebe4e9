"""Host → tenant, the first thing that happens to a request."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseNotFound
from django.template.loader import render_to_string
from django.urls import set_urlconf

from tenants.context import enter_platform, enter_tenant
from tenants.fleet.serving import RETRY_SECONDS, lacking
from tenants.hosts import NOBODY, answer_for, origin
from tenants.models import Tenant
from tenants.names import request_host
from tenants.patience import of_a_request
from tenants.problems import is_api, problem

Handler = Callable[[HttpRequest], HttpResponse]


class TenantMiddleware:
    """Serve each request inside the one tenant that its host names, or on the platform.

    A host that nobody owns gets a 404 that says nothing, a tenant that is suspended, or closed
    until it is purged, a 403, one whose schema is behind this code a 503. All are answered before
    any session, user or URL is looked at.
    ``request.tenant`` is the tenant, or ``None`` on the platform. No statement of a request takes
    longer than ``TENANTRY_STATEMENT_SECONDS``, nor does finding out whose the host is; a file that
    is streamed behind it may.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host = request_host(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", ""))
        if host in settings.TENANTRY_PLATFORM_HOSTS:
            return self._on_platform(request)
        answer = answer_for(host) if host else NOBODY
        tenant = answer.tenant
        if tenant is None or host is None or not tenant.is_active:
            return _unserved(tenant, request)
        if answer.moved_to:
            return _moved(answer.moved_to, request)
        if lacking(tenant):
            return _behind(request)
        return self._inside(tenant, host, request)

    def _on_platform(self, request: HttpRequest) -> HttpResponse:
        request.tenant = None  # type: ignore[attr-defined]
        request.urlconf = settings.PUBLIC_SCHEMA_URLCONF
        set_urlconf(settings.PUBLIC_SCHEMA_URLCONF)
        with enter_platform(), of_a_request():
            return self.get_response(request)

    def _inside(self, tenant: Tenant, host: str, request: HttpRequest) -> HttpResponse:
        # Django checks hosts against a list in the settings, which cannot know the custom domains
        # of tenants. This host was just found in the table of domains, so get_host() may say it.
        port = request.META.get("HTTP_HOST", "").partition(":")[2]
        verified = f"{host}:{port}" if port else host
        request.get_host = lambda: verified  # type: ignore[method-assign]
        request.tenant = tenant  # type: ignore[attr-defined]
        # The URLconf is the root one, which Django has set already.
        with enter_tenant(tenant), of_a_request():
            return self.get_response(request)


def _unserved(tenant: Tenant | None, request: HttpRequest) -> HttpResponse:
    """Say what may be said of a host that is not served: of most, nothing."""
    is_known = tenant and tenant.state in (Tenant.State.SUSPENDED, Tenant.State.DELETION_SCHEDULED)
    if is_known and is_api(request):
        return problem("tenant-unavailable")
    if tenant and tenant.state == Tenant.State.SUSPENDED:
        return HttpResponseForbidden(render_to_string("tenants/suspended.html"))
    if tenant and tenant.state == Tenant.State.DELETION_SCHEDULED:
        return HttpResponseForbidden(render_to_string("tenants/closed.html"))
    return HttpResponseNotFound(render_to_string("tenants/unknown_host.html"))


def _behind(request: HttpRequest) -> HttpResponse:
    """Say that this code would find less in the tenant's schema than it needs."""
    if is_api(request):
        return problem("unavailable", headers={"Retry-After": str(RETRY_SECONDS)})
    page = render_to_string("tenants/behind.html")
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)})


def _moved(host: str, request: HttpRequest) -> HttpResponse:
    """Send the client to the same page on another host, with its method and body (RFC 9110).

    The host is the stored one. A browser must not keep the answer: it would go on redirecting when
    a name has been taken back, then in a circle.
    """
    headers = {"Location": origin(host) + request.get_full_path(), "Cache-Control": "no-store"}
    return HttpResponse(status=308, headers=headers)
