"""The forms of the sandbox's own pages."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from ._http import Request, Response

_MAX_FIELDS: Final = 20


class Form:
    """The fields that a browser has posted."""

    def __init__(self, request: Request) -> None:
        """Read the fields of the body, whatever its content type.

        Raises:
            ValueError: The body has more than 20 fields.
        """
        self._fields = dict(
            parse_qsl(request.body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        )

    def text(self, name: str) -> str:
        """Return a field's value, without leading and trailing spaces.

        Raises:
            ValueError: The field is missing.
        """
        if name not in self._fields:
            raise ValueError(f"the field {name} is missing")
        return self._fields[name].strip()

    def number(self, name: str) -> float:
        """Return a field's value as a number.

        Raises:
            ValueError: The field is missing, or not a number.
        """
        try:
            return float(self.text(name))
        except ValueError:
            problem = ValueError(f"the field {name} must be a number")
        raise problem

    def whole(self, name: str) -> int:
        """Return a field's value as a whole number.

        Raises:
            ValueError: The field is missing, or not a whole number.
        """
        try:
            return int(self.text(name))
        except ValueError:
            problem = ValueError(f"the field {name} must be a whole number")
        raise problem


def see(path: str) -> Response:
    """Return a redirect to a page. After a POST, reloading the page does not post again."""
    return Response(303, headers=(("Location", path), ("Cache-Control", "no-store")))
