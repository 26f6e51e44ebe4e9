"""What a tenant's schema consists of, as plain data that can be compared.

PostgreSQL's catalogs are asked, not the models: two schemas with equal descriptions behave the
same, whichever way they were made. The schema's own name is replaced by a placeholder, so that
descriptions of two schemas are equal.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tenants.errors import InvalidInput
from tenants.names import is_schema_name

SCHEMA: Final = "{schema}"
"""Stands in descriptions, and in statements made from them, where the schema's name stood."""

SEED_TABLES: Final = ("django_migrations", "django_content_type", "auth_permission")
"""The tables whose rows come with the schema. All others of a new schema are empty."""

Attributes = Mapping[str, Any]


class Key(NamedTuple):
    """Which object of a schema is meant: ``of`` is the table it belongs to, or empty."""

    kind: str
    of: str
    name: str

    def __str__(self) -> str:
        named = f"{self.kind} {self.name}".rstrip()
        return f"table {self.of}: {named}" if self.of else named


class Catalog(dict[Key, Attributes]):
    """Everything that is in one schema, each object with what matters about it."""

    def of_kind(self, kind: str, of: str | None = None) -> Iterator[tuple[Key, Attributes]]:
        """Yield the objects of one kind in a stable order, all or those of one table."""
        for key, attributes in self.items():
            if key.kind == kind and of in (None, key.of):
                yield key, attributes


@dataclass(frozen=True)
class Difference:
    """One respect in which a schema is not what was expected. As text, it is a sentence."""

    key: Key
    what: str
    """``missing``, ``extra`` or ``changed``."""
    attribute: str = ""
    found: Any = None
    expected: Any = None

    def __str__(self) -> str:
        if self.what == "missing":
            return f"{self.key} is missing"
        if self.what == "extra":
            return f"{self.key} should not be there"
        found = "is not set" if self.found is None else f"is {_shown(self.found)}"
        expected = "not be set" if self.expected is None else f"be {_shown(self.expected)}"
        return f"{self.key}: {self.attribute} {found}, should {expected}"


def _shown(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else json.dumps(value)).split())
    return text if len(text) <= 200 else f"{text[:197]}..."


def differences(found: Catalog, expected: Catalog) -> list[Difference]:
    """Return in what ``found`` is not ``expected``, table by table.

    What belongs to a table that is missing or should not be there is not listed one by one.
    """
    listed: list[Difference] = []
    for key in sorted(found.keys() | expected.keys(), key=lambda key: (key.of or key.name, key)):
        table = Key("table", "", key.of)
        if key.of and not (table in found and table in expected):
            continue
        if key not in found:
            listed.append(Difference(key, "missing"))
        elif key not in expected:
            listed.append(Difference(key, "extra"))
        else:
            listed += _changes(key, found[key], expected[key])
    return listed


def _changes(key: Key, found: Attributes, expected: Attributes) -> Iterator[Difference]:
    for name in sorted(found.keys() | expected.keys()):
        one, other = found.get(name), expected.get(name)
        # A column that is missing or extra has been said; here it would be said again.
        if name == "columns" and set(one or ()) != set(other or ()):
            continue
        if one != other:
            yield Difference(key, "changed", name, one, other)


def describe(connection: Any, schema_name: str) -> Catalog:
    """Return everything that is in the schema; empty when there is no such schema.

    ``connection`` must not be in that schema: PostgreSQL leaves out the names of schemas that are
    on the search path. Two queries, however many objects there are.
    """
    if not is_schema_name(schema_name):
        raise InvalidInput(f"{schema_name[:60]!r} is no tenant's schema.")
    catalog = Catalog()
    with connection.cursor() as cursor:
        cursor.execute(_OBJECTS, {"schema": schema_name})
        rows = cursor.fetchall()
        seeds = [_SEEDS[name] for kind, _, name, _ in rows if kind == "table" and name in _SEEDS]
        if seeds:
            cursor.execute(" UNION ALL ".join(seeds).replace(SCHEMA, schema_name))
            rows += cursor.fetchall()
    for kind, of, name, attributes in rows:
        text = attributes if isinstance(attributes, str) else json.dumps(attributes)
        # Random and of our making, so it can stand for nothing else.
        plain = json.loads(text.replace(schema_name, SCHEMA))
        catalog[Key(kind, of, name)] = plain
    return Catalog(sorted(catalog.items()))


# Privileges as they hold: an empty list stands for the owner's defaults, which are written out.
_ACL = "(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(coalesce({0}, {1})) AS a)"

_OBJECTS: Final = f"""
WITH
own AS (
    SELECT oid, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s
),
relation AS (
    SELECT c.*, CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'view' END AS kind
    FROM pg_catalog.pg_class AS c JOIN own ON c.relnamespace = own.oid
),
owned AS (
    SELECT * FROM relation WHERE relkind NOT IN ('i', 'I', 'c', 'S')
),
found (kind, of, name, attributes) AS (

SELECT 'schema', '', '', jsonb_build_object(
    'owner', nspowner::regrole, 'privileges', {_ACL.format("nspacl", "acldefault('n', nspowner)")}
) FROM own

UNION ALL
SELECT kind, '', relname, jsonb_build_object(
    'owner', relowner::regrole,
    'privileges', {_ACL.format("relacl", "acldefault('r', relowner)")},
    'relation', nullif(relkind, 'r'),
    'persistence', nullif(relpersistence, 'p'),
    'options', reloptions,
    'access method', (SELECT nullif(amname, 'heap') FROM pg_am WHERE pg_am.oid = relam),
    'tablespace', nullif(reltablespace, 0),
    'row security', nullif(relrowsecurity, false),
    'forced row security', nullif(relforcerowsecurity, false),
    'replica identity', nullif(relreplident, 'd'),
    'partitioned by', pg_get_partkeydef(owned.oid),
    'partition of', (SELECT jsonb_agg(inhparent::regclass) FROM pg_inherits
                     WHERE inhrelid = owned.oid),
    'definition', CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(owned.oid) END,
    'comment', obj_description(owned.oid, 'pg_class'),
    'columns', (SELECT jsonb_agg(attname ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = owned.oid AND attnum > 0 AND NOT attisdropped)
) FROM owned

UNION ALL
SELECT 'column', relname, attname, jsonb_build_object(
    'type', format_type(atttypid, atttypmod),
    'collation', CASE WHEN attcollation <> typcollation THEN attcollation::regcollation END,
    'required', nullif(attnotnull, false),
    'default', pg_get_expr(adbin, adrelid),
    'identity', nullif(attidentity, ''),
    'generated', nullif(attgenerated, ''),
    'storage', CASE WHEN attstorage <> typstorage THEN attstorage END,
    'compression', nullif(attcompression, ''),
    'statistics', nullif(attstattarget, -1),
    'options', attoptions,
    'privileges', (SELECT jsonb_agg(a::text ORDER BY a::text) FROM unnest(attacl) AS a),
    'comment', col_description(attrelid, attnum)
)
FROM owned
JOIN pg_attribute ON attrelid = owned.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_type ON pg_type.oid = atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum

UNION ALL
SELECT 'constraint', relname, conname, jsonb_build_object(
    'type', contype,
    'definition', pg_get_constraintdef(pg_constraint.oid),
    'column', CASE contype WHEN 'n' THEN (SELECT attname FROM pg_attribute
                                          WHERE attrelid = conrelid AND attnum = conkey[1]) END,
    'refers to', (SELECT relname FROM owned AS other WHERE other.oid = confrelid),
    'state', CASE WHEN convalidated THEN 'valid' ELSE 'not valid' END,
    -- Those of foreign keys are internal; a superuser can disable them.
    'disabled triggers', (SELECT nullif(count(*), 0) FROM pg_trigger
                          WHERE tgconstraint = pg_constraint.oid AND tgenabled <> 'O'),
    'comment', obj_description(pg_constraint.oid, 'pg_constraint')
) FROM owned JOIN pg_constraint ON conrelid = owned.oid AND contype <> 't'

UNION ALL
SELECT 'index', owned.relname, i.relname, jsonb_build_object(
    'definition', pg_get_indexdef(i.oid),
    'constraint', (SELECT conname FROM pg_constraint
                   WHERE conindid = i.oid AND conrelid = owned.oid AND contype IN ('p', 'u', 'x')),
    'state', CASE WHEN indisvalid AND indisready AND indislive THEN 'valid' ELSE 'not valid' END,
    'clustered', nullif(indisclustered, false),
    'replica identity', nullif(indisreplident, false),
    'tablespace', nullif(i.reltablespace, 0),
    'comment', obj_description(i.oid, 'pg_class')
) FROM owned JOIN pg_index ON indrelid = owned.oid JOIN pg_class AS i ON i.oid = indexrelid

UNION ALL
SELECT 'trigger', relname, tgname, jsonb_build_object(
    'definition', pg_get_triggerdef(pg_trigger.oid),
    'enabled', tgenabled,
    'comment', obj_description(pg_trigger.oid, 'pg_trigger')
) FROM owned JOIN pg_trigger ON tgrelid = owned.oid AND NOT tgisinternal

UNION ALL
SELECT 'sequence', '', relname, jsonb_build_object(
    'owner', relowner::regrole,
    'privileges', {_ACL.format("relacl", "acldefault('s', relowner)")},
    'persistence', nullif(relpersistence, 'p'),
    'type', seqtypid::regtype,
    'options', jsonb_build_array(seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle),
    'belongs to', (SELECT jsonb_build_array(owned.relname, attname, deptype)
                   FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
                   JOIN owned ON owned.oid = refobjid
                   WHERE classid = 'pg_class'::regclass AND objid = relation.oid
                   AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')),
    'comment', obj_description(relation.oid, 'pg_class')
) FROM relation JOIN pg_sequence ON seqrelid = relation.oid

UNION ALL
SELECT CASE prokind WHEN 'a' THEN 'aggregate' ELSE 'function' END, '',
    format('%%s(%%s)', proname, pg_get_function_identity_arguments(pg_proc.oid)),
    jsonb_build_object(
    'definition', CASE WHEN prokind <> 'a' THEN pg_get_functiondef(pg_proc.oid) END,
    'language', (SELECT lanname FROM pg_language WHERE pg_language.oid = prolang),
    'owner', proowner::regrole,
    'privileges', {_ACL.format("proacl", "acldefault('f', proowner)")},
    'comment', obj_description(pg_proc.oid, 'pg_proc')
) FROM pg_proc JOIN own ON pronamespace = own.oid

UNION ALL
SELECT 'policy', relname, polname, jsonb_build_object(
    'roles', polroles, 'uses', pg_get_expr(polqual, polrelid),
    'checks', pg_get_expr(polwithcheck, polrelid), 'command', polcmd, 'permissive', polpermissive
) FROM owned JOIN pg_policy ON polrelid = owned.oid

UNION ALL
SELECT 'rule', relname, rulename, jsonb_build_object(
    'definition', pg_get_ruledef(pg_rewrite.oid), 'enabled', ev_enabled
) FROM owned JOIN pg_rewrite ON ev_class = owned.oid AND rulename <> '_RETURN'

UNION ALL
SELECT 'statistics', '', stxname, jsonb_build_object(
    'definition', pg_get_statisticsobjdef(pg_statistic_ext.oid)
) FROM pg_statistic_ext JOIN own ON stxnamespace = own.oid

UNION ALL
-- Not the row types of tables and not the arrays that come with each type.
SELECT 'type', '', typname, jsonb_build_object(
    'type', typtype, 'base', format_type(typbasetype, typtypmod),
    'labels', (SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
               WHERE enumtypid = pg_type.oid)
) FROM pg_type JOIN own ON typnamespace = own.oid
WHERE typtype IN ('e', 'd', 'r', 'm') OR (typtype = 'c' AND EXISTS (
    SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))

UNION ALL
SELECT 'operator', '', oprname, '{{}}' FROM pg_operator JOIN own ON oprnamespace = own.oid
UNION ALL
SELECT 'collation', '', collname, '{{}}' FROM pg_collation JOIN own ON collnamespace = own.oid
)
SELECT kind, of, name, jsonb_strip_nulls(attributes)::text FROM found
"""

_SEEDS: Final = {
    "django_migrations": f"""
        SELECT 'row', 'django_migrations', format('%s.%s', app, name), '{{}}'
        FROM {SCHEMA}.django_migrations""",
    "django_content_type": f"""
        SELECT 'row', 'django_content_type', format('%s.%s', app_label, model), '{{}}'
        FROM {SCHEMA}.django_content_type""",
    "auth_permission": f"""
        SELECT 'row', 'auth_permission', format('%s.%s.%s', app_label, model, codename),
        jsonb_build_object('label', p.name)::text
        FROM {SCHEMA}.auth_permission AS p
        JOIN {SCHEMA}.django_content_type AS t ON t.id = content_type_id""",
}
