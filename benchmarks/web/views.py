"""The views that are measured. They know nothing of tenants."""

from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import HttpRequest, HttpResponse

from benchmarks.web.models import Note


def empty(request: HttpRequest) -> HttpResponse:
    """Answer without asking the database: all that is left is overhead."""
    return HttpResponse("ok")


def one_query(request: HttpRequest) -> HttpResponse:
    """Read one row by its key."""
    return HttpResponse(Note.objects.get(pk=1).text)


def five_queries(request: HttpRequest) -> HttpResponse:
    """Read five rows, one after the other."""
    return HttpResponse(" ".join(Note.objects.get(pk=key).text for key in range(1, 6)))


def wait(request: HttpRequest) -> HttpResponse:
    """Wait 50 ms for the database, as for a lock or a slow report."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.05)")
    return HttpResponse("ok")


@login_required
def who(request: HttpRequest) -> HttpResponse:
    """Name whoever is signed in."""
    return HttpResponse(request.user.get_username())
