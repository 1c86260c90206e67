"""The token that a client adds to the application's own requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.auth import TokenAuth

from authlib_kucoin._models import KuCoinToken


class KuCoinTokenAuth(TokenAuth):
    """Authlib's ``TokenAuth``, but it stores the token as a copy whose repr hides the secrets."""

    def __init__(
        self,
        token: Mapping[str, Any] | None,
        token_placement: str = "header",
        client: Any = None,
    ) -> None:
        super().__init__(None, token_placement, client)
        self.set_token(token)

    def set_token(self, token: Mapping[str, Any] | None) -> None:
        """Store a copy of ``token``. None removes the stored token."""
        self.token = token if token is None else KuCoinToken(token)

    def prepare(self, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
        """Add the token to a request, with ``bearer`` in lower case as in the document."""
        uri, headers, body = super().prepare(uri, headers, body)
        scheme, _, value = headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            headers["Authorization"] = f"bearer {value}"
        return uri, headers, body
