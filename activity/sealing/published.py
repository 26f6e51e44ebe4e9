"""The page that tells everybody with which public keys the record is checked."""

from typing import Final

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from activity.sealing.keys import signer, verifiers

FRESH_SECONDS: Final = 300


# Nothing is asked of the database, so no transaction is begun.
@non_atomic_requests
@require_GET
@cache_control(public=True, max_age=FRESH_SECONDS)
def published_keys(request: HttpRequest) -> JsonResponse:
    """List the record's public keys, the one that signs now first."""
    current = signer().vkey
    return JsonResponse(
        {
            "keys": [
                {
                    "name": key.name,
                    "id": key.key_id.hex(),
                    "vkey": key.vkey,
                    "current": key.vkey == current,
                }
                for key in verifiers().values()
            ]
        }
    )
