"""The way back to the broker, as a value."""

from __future__ import annotations

from typing import Literal, Self


class Callback(str):
    """Where the browser is sent: the callback URL, and the answer it carries there.

    Where the sandbox answers by form POST (`method` is "POST"), the URL is the form's target.
    """

    __slots__ = ("fields", "method")

    method: Literal["GET", "POST"]
    fields: dict[str, str]

    def __new__(cls, url: str, method: Literal["GET", "POST"], fields: dict[str, str]) -> Self:
        """Keep the answer's fields beside the URL."""
        callback = super().__new__(cls, url)
        callback.method = method
        callback.fields = fields
        return callback

    @property
    def url(self) -> str:
        """The URL as a plain string."""
        return str(self)
