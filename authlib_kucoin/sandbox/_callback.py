"""The callback: where the sandbox sends the user's browser after the decision."""

from __future__ import annotations

from typing import Literal, Self


class Callback(str):
    """The URL to which the sandbox sends the browser: a str with the answer to the login request.

    Attributes:
        method: "GET" if the answer is in the URL's query, "POST" if the browser posts the answer
            to the URL.
        fields: The fields of the answer, such as `code` and `state`.
    """

    __slots__ = ("fields", "method")

    method: Literal["GET", "POST"]
    fields: dict[str, str]

    def __new__(cls, url: str, method: Literal["GET", "POST"], fields: dict[str, str]) -> Self:
        """Keep the method and the answer's fields beside the URL."""
        callback = super().__new__(cls, url)
        callback.method = method
        callback.fields = fields
        return callback

    @property
    def url(self) -> str:
        """The URL as a plain string."""
        return str(self)
