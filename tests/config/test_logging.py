"""What a log line says, and what it must never say."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from activity.context import Actor, ActorKind, Channel, Context, acting_as
from config.logging import configuration
from tenants.context import enter_tenant
from tenants.models import Tenant


@pytest.fixture
def lines() -> Any:
    """Write to a logger as production does; return what came out."""
    output = io.StringIO()
    logger = logging.getLogger("tests.production")
    formatter = configuration("json", "INFO")["formatters"]["structured"]
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(**{k: v for k, v in formatter.items() if k != "()"})
    )
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel("INFO")

    def written() -> list[dict[str, Any]]:
        return [json.loads(line) for line in output.getvalue().splitlines()]

    yield logger, written
    logger.removeHandler(handler)


def test_every_line_names_tenant_actor_and_request(lines: Any, acme: Tenant) -> None:
    logger, written = lines
    ann = Context(actor=Actor(ActorKind.PERSON, "id-of-ann", "Ann"), channel=Channel.PAGE)

    logger.info("outside")
    with acting_as(ann), enter_tenant(acme):
        logger.info("inside")

    outside, inside = written()
    assert (outside["tenant"], outside["actor"], outside["request_id"]) == (
        "platform",
        "process",
        None,
    )
    assert (inside["tenant"], inside["actor"]) == ("acme", "id-of-ann")
    assert inside["request_id"] == str(ann.request_id)


def test_a_traceback_holds_no_local_variables(lines: Any) -> None:
    logger, written = lines

    def sign_in(password: str) -> None:
        raise RuntimeError("no such door")

    try:
        sign_in("canary-of-a-password")
    except RuntimeError:
        logger.exception("failed")

    [line] = written()
    assert "no such door" in json.dumps(line)
    assert "canary-of-a-password" not in json.dumps(line)


def test_a_line_from_nowhere_is_not_the_platforms(
    lines: Any, acme: Tenant, elsewhere: Callable[..., Any]
) -> None:
    logger, written = lines

    elsewhere(logger.info, "from a thread")
    logger.info("from the platform")

    assert [line["tenant"] for line in written()] == [None, "platform"]
