"""Where somebody is named in what was done to others, by others.

Addresses and names of several words are looked for in every text of every event, as whole words and
in any case. A single word, such as the user name ``export``, is looked for only where people type
names: in reasons, in the filters of exports, and in searches and schedules and what those are
called. A name that
somebody else has or had is not looked for at all: an event about Ann Lee is not erased with another
Ann Lee.
"""

import json
import re
import uuid
from collections.abc import Iterable

from django.db import connection
from django.db.models import Q, QuerySet

from activity.forgetting.people import Person
from activity.models import SavedSearch, Schedule
from activity.recording import keyed_hash
from tenants.errors import InvalidInput

_SHORT = 3
"""Letters. Names as short as that are words as well."""

_BEFORE = r"(?<![[:alnum:]_.@+-])"
_AFTER = r"(?![[:alnum:]_@+-]|[.][[:alnum:]])"

_TEXTS = {
    "actor": "concat_ws(E'\\n', actor_label, on_behalf_of_label, user_agent)",
    "target": "concat_ws(E'\\n', target_label, reason, changes, details)",
    "typed": (
        "concat_ws(E'\\n', reason, details ->> 'filters', CASE WHEN action LIKE 'search.%%'"
        " OR action LIKE 'schedule.%%' OR action = 'activity.searched'"
        " THEN concat_ws(E'\\n', target_label, changes, details) END)"
    ),
}

# One pass over the record: no index finds words. It only reads, and keeps nobody waiting.
_FIND = """
SELECT id FROM activity_activityevent
WHERE (%(about)s = '' OR target_id = %(about)s)
{since}
AND action NOT LIKE 'record.%%' AND action <> 'user.erased'
AND (
    (target_salt IS NOT NULL AND target_id <> %(person)s AND (
        lower({target}) ~ %(several)s OR lower({typed}) ~ %(single)s))
    OR (actor_salt IS NOT NULL AND actor_id <> %(person)s
        AND lower({actor}) ~ %(several)s)
)
"""


def words(person: Person) -> list[str]:
    """Return the texts by which somebody is found, in small letters, also as JSON escapes them."""
    names = {name.lower() for name in person.distinctive}
    hashes = {keyed_hash("identifier", name) for name in names}
    return sorted(names | {json.dumps(name, ensure_ascii=False)[1:-1] for name in names} | hashes)


def find(person: Person, about: str = "", since: int = 0) -> list[uuid.UUID]:
    """Return the ids of events of others that name somebody; ``about`` one target only.

    Those of transactions from ``since`` on, if given: an index finds them.
    """
    known = words(person)
    if not known:
        return []
    several = [word for word in known if _is_telling(word)]
    single = [word for word in known if not _is_telling(word)]
    asked: dict[str, str | int] = {
        "about": about,
        "person": person.id,
        "several": _pattern(several),
        "single": _pattern(single),
        "since": since,
    }
    texts = {**_TEXTS, "since": "AND xid >= %(since)s" if since else ""}
    with connection.cursor() as cursor:
        cursor.execute(_FIND.format(**texts), asked)
        return [event_id for (event_id,) in cursor.fetchall()]


def pattern(person: Person) -> str:
    """Return a regular expression for texts of the database that name somebody.

    By an address or a full name: a single word is looked for only where people type names.
    """
    return _pattern(word for word in words(person) if _is_telling(word))


def searches(person: Person) -> QuerySet[SavedSearch]:
    """Return the searches that anybody keeps which name somebody, in what they find or are."""
    pattern = _pattern(words(person))
    return SavedSearch.objects.filter(Q(search__iregex=pattern) | Q(name__iregex=pattern))


def schedules(person: Person) -> QuerySet[Schedule]:
    """Return the schedules that name somebody, in what they search for or are called."""
    pattern = _pattern(words(person))
    return Schedule.objects.filter(Q(asked__iregex=pattern) | Q(name__iregex=pattern))


def in_text(person: Person, text: str, *, is_typed: bool) -> bool:
    """Tell whether a text outside the database names somebody.

    ``is_typed`` says that people wrote it, so that a single word means the person.
    """
    known = [word for word in words(person) if is_typed or _is_telling(word)]
    found = "|".join(re.escape(word) for word in known)
    return bool(known and re.search(rf"(?<![\w.@+-])({found})(?![\w@+-]|[.]\w)", text.lower()))


def refuse_naming(person: Person, reason: str) -> None:
    """Refuse a reason that names the person it is about: reasons are kept.

    A part of a full name is enough, a given name for example, whoever else has it: it is about this
    person. Raises ``InvalidInput`` with the text that names them.
    """
    found = next((word for word in words(person) if word in reason.lower()), "")
    if not found and (parts := "|".join(sorted(_parts(person)))):
        part = re.search(rf"(?<!\w)({parts})(?!\w)", reason)
        found = part[0] if part else ""
    if found:
        raise InvalidInput(
            f"the reason names the person, with {found!r}, and reasons are kept.",
            "Say it without any part of name and address, such as: request 4711.",
        )


def _parts(person: Person) -> set[str]:
    """Return the words of somebody's full names, as regular expressions.

    Those of up to three letters count only as they are written, or in capitals: somebody may be
    called May. What is small beside capitals is no name: Ana de Souza.
    """
    found = set()
    for name in person.names:
        # A label has the user name in brackets, which is looked for as a whole.
        full = re.sub(r"\([^)]*\)", "", name).strip()
        if " " not in full or "@" in full:
            continue
        for part in re.findall(r"[^\s,;.-]{2,}", full):
            if part.islower() and not full.islower():
                continue
            if len(part) > _SHORT:
                found.add(f"(?i:{re.escape(part)})")
            else:
                found |= {re.escape(one) for one in (part, part.capitalize(), part.upper())}
    return found


def _is_telling(word: str) -> bool:
    """Whether a word means somebody wherever it is: an address, a full name, or a hash of one."""
    return "@" in word or " " in word or len(word) == 32


def _pattern(choices: Iterable[str]) -> str:
    quoted = [re.sub(r"([^\w\s])", r"\\\1", choice) for choice in choices]
    # Without a choice it matches nothing.
    return f"{_BEFORE}({'|'.join(quoted)}){_AFTER}" if quoted else "(?!)"
