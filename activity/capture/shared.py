"""Functions that the triggers of a schema share, made by a migration.

``capture_line`` is ``activity.text.one_line`` in SQL. ``capture_context`` returns who acts, as the
application told it in the setting ``tenantry.context``, or else the database's own idea of it.
``capture_cluster`` is the cluster's identifier: said to be immutable, which it is as long as a
server runs, so that a session reads it from disk once and not for every event.
"""

from typing import Final

from activity.capture.expressions import UNSAFE
from tenants.triggers import HERE, OWN_PATH, pinned

LINE: Final = rf"""
CREATE OR REPLACE FUNCTION {HERE}.capture_line(line text, most integer) RETURNS text
LANGUAGE sql STABLE {OWN_PATH} AS $body$
SELECT CASE WHEN length(safe) <= most THEN safe ELSE left(safe, most - 1) || '…' END
FROM (
    SELECT coalesce(string_agg(
        CASE WHEN letter ~ '{UNSAFE}'
            THEN '\u' || lpad(to_hex(ascii(letter)), 4, '0') ELSE letter END, ''
        ORDER BY place
    ), '') AS safe
    FROM unnest(string_to_array(left(line, most + 1), NULL)) WITH ORDINALITY AS one (letter, place)
) AS whole
$body$
"""

CLUSTER: Final = f"""
CREATE OR REPLACE FUNCTION {HERE}.capture_cluster() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE {OWN_PATH} AS $body$
SELECT system_identifier FROM pg_catalog.pg_control_system()
$body$
"""

CONTEXT: Final = rf"""
CREATE OR REPLACE FUNCTION {HERE}.capture_context() RETURNS jsonb
LANGUAGE plpgsql {OWN_PATH} AS $body$
DECLARE
    told text := pg_catalog.current_setting('tenantry.context', true);
    c jsonb;
    request text;
    who text;
BEGIN
    IF told <> '' AND pg_catalog.pg_input_is_valid(told, 'jsonb') THEN
        c := told;
        IF c ->> 'kind' <> '' AND c ->> 'channel' <> ''
            AND pg_catalog.pg_input_is_valid(c ->> 'request', 'uuid')
            AND pg_catalog.pg_input_is_valid(coalesce(c ->> 'ip', '::'), 'inet')
        THEN
            RETURN c;
        END IF;
    END IF;
    request := pg_catalog.current_setting('tenantry.request', true);
    IF NOT coalesce(pg_catalog.pg_input_is_valid(request, 'uuid'), false) THEN
        request := pg_catalog.uuidv7();
        EXECUTE pg_catalog.format('SET LOCAL tenantry.request = %L', request);
    END IF;
    who := pg_catalog.current_setting('application_name');
    RETURN pg_catalog.jsonb_build_object(
        'kind', 'database',
        'id', session_user::text,
        'label', {HERE}.capture_line(session_user || CASE WHEN who <> '' THEN ' (' || who || ')'
            ELSE '' END, 200),
        'channel', 'database',
        'request', request,
        'ip', pg_catalog.host(pg_catalog.inet_client_addr())
    );
END
$body$
"""


INSTALL: Final = [pinned(LINE), pinned(CONTEXT), pinned(CLUSTER)]
REMOVE: Final = [
    "DROP FUNCTION IF EXISTS capture_cluster()",
    "DROP FUNCTION IF EXISTS capture_context()",
    "DROP FUNCTION IF EXISTS capture_line(text, integer)",
]
