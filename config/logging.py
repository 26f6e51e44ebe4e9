"""One structured line per log record, from us and from every library, web and worker.

Actor and request id come from ``structlog.contextvars``, where the doors bind them, the tenant from
where one is; a line from outside any door says so.
"""

import logging.config
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.apps import apps

_NOWHERE = {"actor": "process", "request_id": None}


def _with_circumstances(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, default in _NOWHERE.items():
        line.setdefault(name, default)
    # Asked when a line is written, which is rarer than entering a tenant.
    line["tenant"] = _place()
    return line


def _place() -> str | None:
    """Return the tenant's slug, ``platform``, or ``None`` for neither."""
    if not apps.models_ready:
        return None
    from tenants.context import PLATFORM, current_tenant
    from tenants.errors import NotInTenant

    try:
        tenant = current_tenant()
    except NotInTenant:
        return None
    return tenant.slug if tenant else PLATFORM


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    _with_circumstances,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configuration(form: str, level: str) -> dict[str, Any]:
    """Return the ``LOGGING`` setting: ``form`` is ``console`` or ``json``."""
    renderers: dict[str, list[Any]] = {
        "console": [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        ],
        "json": [
            # Without local variables: they hold passwords and personal data.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ],
    }
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [remove_meta, *renderers[form]],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Each has one line a request or task already.
            "django.request": {"level": "ERROR"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Tells of each table of a font that goes into a PDF.
            "fontTools": {"level": "WARNING"},
        },
    }


def configure(config: dict[str, Any]) -> None:
    """Apply the ``LOGGING`` setting, and send structlog's own lines the same way."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
