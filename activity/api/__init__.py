"""The record for programs: REST below ``/api/v1/activity/``, described by OpenAPI."""
