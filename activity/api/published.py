"""What everybody may read: the description of the API, and what its errors mean."""

from functools import cache
from typing import Final

from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from tenants.problems import KINDS

FRESH_SECONDS: Final = 300
YAML: Final = "application/yaml"
JSON: Final = "application/json"


@non_atomic_requests
@require_safe
@cache_control(public=True, max_age=FRESH_SECONDS)
def schema(request: HttpRequest) -> HttpResponse:
    """Answer with the OpenAPI document: as JSON, or as YAML to whom that is dearer."""
    form = request.get_preferred_type([JSON, YAML]) or JSON
    answer = HttpResponse(document(form), content_type=form)
    patch_vary_headers(answer, ["Accept"])
    return answer


@cache
def document(form: str) -> bytes:
    """Return the OpenAPI document, made once a process: it is the same for all."""
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2

    described = SchemaGenerator().get_schema(request=None, public=True)
    renderer = OpenApiYamlRenderer2() if form == YAML else OpenApiJsonRenderer2()
    text = renderer.render(described, renderer_context={})
    return text if isinstance(text, bytes) else str(text).encode()


@non_atomic_requests
@require_safe
@cache_control(public=True, max_age=FRESH_SECONDS)
def kind(request: HttpRequest, code: str) -> JsonResponse:
    """Explain one kind of problem: where its ``type`` leads."""
    known = KINDS.get(code)
    if known is None:
        raise Http404
    return JsonResponse(
        {"code": code, "status": known.status, "title": known.title, "hint": known.hint}
    )
