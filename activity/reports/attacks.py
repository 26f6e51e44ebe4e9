"""Failed sign-ins that belong together: somebody who tries, and not somebody who forgot."""

from collections.abc import Iterable
from typing import Final

from activity.reports import parameters
from activity.reports.reading import (
    NAMED_SOURCE,
    SOURCE,
    SPANS,
    TIMES,
    WITHIN_SPAN,
    called,
    fetched_of,
)
from activity.reports.registry import Asked, Column, Definition, Kind, Row, Source, register
from activity.rollups import failures
from activity.rollups.counting import ACCOUNT

_SPRAYING: Final = "one source, many accounts"
_MANY_SOURCES: Final = "one account, many sources"
_GUESSING: Final = "one source, one account"

# By source and account first: most pairs are few attempts, which are counted once for all three.
# Two hundred a day for a year are grouped in memory.
_CLUSTERS: Final = f"""
SET LOCAL work_mem = '64MB';
WITH pair AS MATERIALIZED (
    SELECT (occurred_at AT TIME ZONE %(zone)s)::date AS day, {SOURCE} AS source,
           {ACCOUNT} AS account,
           sum({TIMES})::bigint AS attempts,
           min(occurred_at) AS first_at, max(occurred_at) AS last_at
    FROM {SPANS}
    CROSS JOIN LATERAL (
        SELECT * FROM activity_activityevent event
        WHERE event.action = 'session.failed' AND {WITHIN_SPAN} OFFSET 0
    ) AS event
    GROUP BY 1, 2, 3
)
SELECT day, '{_SPRAYING}', {NAMED_SOURCE}, NULL AS account, sum(attempts)::bigint AS attempts,
       count(account), 1, min(first_at), max(last_at)
FROM pair WHERE source IS NOT NULL
GROUP BY day, source HAVING count(account) >= %(least)s
UNION ALL
SELECT day, '{_MANY_SOURCES}', NULL, account, sum(attempts)::bigint,
       1, count(source), min(first_at), max(last_at)
FROM pair WHERE account IS NOT NULL
GROUP BY day, account HAVING count(source) >= %(least)s
UNION ALL
SELECT day, '{_GUESSING}', {NAMED_SOURCE}, account, attempts, 1, 1, first_at, last_at
FROM pair WHERE account IS NOT NULL AND source IS NOT NULL AND attempts >= %(attempts)s
ORDER BY 1 DESC, 5 DESC, 2, 3, 4 LIMIT %(most)s
"""  # noqa: S608 (our own words)

NOBODY: Final = "an unknown account"


def _clusters(asked: Asked) -> Iterable[Row]:
    least, attempts = asked["least"], asked["attempts"]
    # Whoever tried one account often was some network, and tried some account.
    spans = failures.spans(asked.period, network=min(least, attempts), name=least)
    values = {"least": least, "attempts": attempts, "most": asked.most}
    rows = fetched_of(_CLUSTERS, spans, **values) if spans else []
    names = called({account for _, _, _, account, *_ in rows if account})
    for day, pattern, source, account, *figures in rows:
        name = names.get(account, NOBODY) if account else ""
        yield (day, pattern, source or "", name, *figures)


register(
    Definition(
        name="sign-in-attacks",
        title="Clusters of failed sign-ins",
        about="Signing in",
        sentence=(
            "Failed sign-ins of one day that belong together: one source that tries many accounts"
            " (spraying), many sources that try one account, one source that tries one account many"
            " times. A source is an address, of IPv6 the /64 that one subscriber has. A name that"
            " nobody has counts as an account of its own."
        ),
        columns=(
            Column("day", "Day", Kind.DAY),
            Column("pattern", "Pattern"),
            Column("source", "Source"),
            Column("account", "Account"),
            Column("attempts", "Attempts", Kind.COUNT, "attempts"),
            Column("accounts", "Accounts", Kind.COUNT, "accounts"),
            Column("sources", "Sources", Kind.COUNT, "sources"),
            Column("first_at", "First", Kind.MOMENT),
            Column("last_at", "Last", Kind.MOMENT),
        ),
        rows=_clusters,
        reads=Source.EVENTS,
        parameters=(
            parameters.number(
                "least",
                "Accounts or sources",
                "How many accounts of one source, or sources of one account, make a cluster.",
                least=2,
                most=1_000_000,
                usual=5,
            ),
            parameters.number(
                "attempts",
                "Attempts",
                "How many attempts of one source at one account make a cluster.",
                least=2,
                most=1_000_000,
                usual=10,
            ),
        ),
    )
)
