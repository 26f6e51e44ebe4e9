"""The REST API: who asks, in what form it answers, and how it describes itself."""

from tenants.problems import API

REST_FRAMEWORK = {
    # A token first: it says what a 401 asks for. The session is the panel's.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api_authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["activity.api.permissions.MayReadRecord"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "activity.api.schema.RecordSchema",
    "EXCEPTION_HANDLER": "activity.api.problems.handle",
    # One way to choose a form: the Accept header.
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Tenantry",
    "VERSION": "1",
    "DESCRIPTION": (
        "The record of one organisation, for programs. Each organisation answers on its own host, "
        "and a token is good on the host it was made on."
    ),
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": f"{API}v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": False,
    "ENUM_NAME_OVERRIDES": {
        "Outcome": "activity.models.Outcome",
        "Severity": "activity.actions.Severity",
        "ActorKind": "activity.context.ActorKind",
        "Channel": "activity.context.Channel",
    },
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "tnt_…",
                "description": "An API token, made under My account.",
            },
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "__Host-session",
                "description": "Who is signed in to the panel may ask as themselves.",
            },
        }
    },
    "EXTERNAL_DOCS": {"url": "https://www.rfc-editor.org/rfc/rfc9457", "description": "Errors"},
}
