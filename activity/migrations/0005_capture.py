from django.db import migrations

from tenants.triggers import MakeFunctions

LINE = "DO $install$ BEGIN EXECUTE pg_catalog.replace($function$ \nCREATE OR REPLACE FUNCTION @here.capture_line(line text, most integer) RETURNS text\nLANGUAGE sql STABLE AS $body$\nSELECT CASE WHEN length(safe) <= most THEN safe ELSE left(safe, most - 1) || '…' END\nFROM (\n    SELECT coalesce(string_agg(\n        CASE WHEN letter ~ '[\\x01-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]'\n            THEN '\\u' || lpad(to_hex(ascii(letter)), 4, '0') ELSE letter END, ''\n        ORDER BY place\n    ), '') AS safe\n    FROM unnest(string_to_array(left(line, most + 1), NULL)) WITH ORDINALITY AS one (letter, place)\n) AS whole\n$body$\n $function$, '@here', pg_catalog.quote_ident(pg_catalog.current_schema())); END $install$"

CONTEXT = "DO $install$ BEGIN EXECUTE pg_catalog.replace($function$ \nCREATE OR REPLACE FUNCTION @here.capture_context() RETURNS jsonb\nLANGUAGE plpgsql AS $body$\nDECLARE\n    told text := pg_catalog.current_setting('tenantry.context', true);\n    c jsonb;\n    request text;\n    who text;\nBEGIN\n    IF told <> '' AND pg_catalog.pg_input_is_valid(told, 'jsonb') THEN\n        c := told;\n        IF c ->> 'kind' <> '' AND c ->> 'channel' <> ''\n            AND pg_catalog.pg_input_is_valid(c ->> 'request', 'uuid')\n            AND pg_catalog.pg_input_is_valid(coalesce(c ->> 'ip', '::'), 'inet')\n        THEN\n            RETURN c;\n        END IF;\n    END IF;\n    request := pg_catalog.current_setting('tenantry.request', true);\n    IF NOT coalesce(pg_catalog.pg_input_is_valid(request, 'uuid'), false) THEN\n        request := pg_catalog.uuidv7();\n        EXECUTE pg_catalog.format('SET LOCAL tenantry.request = %L', request);\n    END IF;\n    who := pg_catalog.current_setting('application_name');\n    RETURN pg_catalog.jsonb_build_object(\n        'kind', 'database',\n        'id', session_user::text,\n        'label', @here.capture_line(session_user || CASE WHEN who <> '' THEN ' (' || who || ')'\n            ELSE '' END, 200),\n        'channel', 'database',\n        'request', request,\n        'ip', pg_catalog.host(pg_catalog.inet_client_addr())\n    );\nEND\n$body$\n $function$, '@here', pg_catalog.quote_ident(pg_catalog.current_schema())); END $install$"

CLUSTER = "DO $install$ BEGIN EXECUTE pg_catalog.replace($function$ \nCREATE OR REPLACE FUNCTION @here.capture_cluster() RETURNS bigint\nLANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$\nSELECT system_identifier FROM pg_catalog.pg_control_system()\n$body$\n $function$, '@here', pg_catalog.quote_ident(pg_catalog.current_schema())); END $install$"


class Migration(migrations.Migration):

    dependencies = [
        ('activity', '0004_reading_indexes'),
    ]

    operations = [
        MakeFunctions(
            [LINE, CONTEXT, CLUSTER],
            ['DROP FUNCTION IF EXISTS capture_cluster()', 'DROP FUNCTION IF EXISTS capture_context()', 'DROP FUNCTION IF EXISTS capture_line(text, integer)'],
        ),
    ]
