"""What narrows the list of people: whether they may come, and what they may do."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class StateFilter(admin.SimpleListFilter):
    """People by whether they may come, and whether they do."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("active", "Active"), ("deactivated", "Deactivated"), ("never", "Never signed in")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the people of the chosen state."""
        match self.value():
            case "active":
                return queryset.active()
            case "deactivated":
                return queryset.deactivated()
            case "never":
                return queryset.never_signed_in()
        return queryset


class PowerFilter(admin.SimpleListFilter):
    """People by what they may do."""

    title = "power"
    parameter_name = "power"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("administrators", "Administrators"), ("panel", "May open the panel")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the people of the chosen power."""
        match self.value():
            case "administrators":
                return queryset.administrators()
            case "panel":
                return queryset.panel_users()
        return queryset
