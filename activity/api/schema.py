"""What all operations of the API have in common in its description."""

from drf_spectacular.openapi import AutoSchema


class RecordSchema(AutoSchema):  # type: ignore[misc]
    """Operations of the record: who may ask is the same for all."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return a token or a session. Their names are those of ``config.settings.api``."""
        return [{"token": []}, {"session": []}]
