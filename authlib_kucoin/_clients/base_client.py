"""What the three clients have in common: settings in, calls out, and one refresh for all.

A client brings a method ``_perform`` that performs a call. The calls that are awaited stand in
``_async_client.py``, and differ from those here by ``await`` alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard, TypeVar
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.auth import TokenAuth

from authlib_kucoin._errors import AuthorizationDenied, ConfigurationError
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.callback import mismatching_state, read_callback
from authlib_kucoin._protocol.sites import Site, resolve_site

T = TypeVar("T")

AnyToken = Mapping[str, Any] | str


class KuCoinTokenAuth(TokenAuth):
    """Authlib's holder of a token; ours hides the values in its repr."""

    def __init__(
        self,
        token: Mapping[str, Any] | None,
        token_placement: str = "header",
        client: Any = None,
    ) -> None:
        super().__init__(None, token_placement, client)
        self.set_token(token)

    def set_token(self, token: Mapping[str, Any] | None) -> None:
        """Hold a copy of a token."""
        self.token = token if token is None else KuCoinToken(token)


class ClientBase:
    """The settings of a client, and the calls made of them."""

    # Set by Authlib's own constructor.
    client_id: Any
    client_secret: Any
    redirect_uri: Any
    scope: Any
    state: Any
    token: Any
    update_token: Any
    leeway: Any
    metadata: Mapping[str, Any]

    _site: Site | str | None
    _resolved: Site | None = None

    @property
    def site(self) -> Site:
        """The KuCoin site that this client talks to.

        Raises:
            ConfigurationError: If none, or none that is known, was given.
        """
        if self._resolved is None:
            names = ("authorization_endpoint", "token_endpoint")  # as in RFC 8414
            given = {name: self.metadata[name] for name in names if self.metadata.get(name)}
            self._resolved = dataclasses.replace(resolve_site(self._site), **given)
        return self._resolved

    def create_authorization_url(
        self,
        url: str | None = None,
        state: str | None = None,
        code_verifier: str | None = None,
        **params: Any,
    ) -> tuple[str, str]:
        """Return the address of KuCoin's login page, and the state in it (section 7.1).

        Args:
            url: The login page, if it is not the site's.
            state: Comes back in the callback; a random one unless given.
            code_verifier: KuCoin has no PKCE, so this must be left out.
            params: ``redirect_uri`` and ``scope``, if they are not the client's own.

        Raises:
            UnsafeRedirectURI: If the redirect URI cannot stand in the address unencoded.
            ConfigurationError: If a setting is missing, or a parameter is none of KuCoin's.
        """
        if code_verifier:
            raise ConfigurationError(
                "KuCoin has no PKCE: leave code_challenge_method out.", operation="authorize"
            )
        _only_code_mode(params.pop("response_type", "code") == "code", "authorize")
        redirect_uri = params.pop("redirect_uri", None) or self.redirect_uri
        scope = params.pop("scope", None) or self.scope
        _refuse(params, "login page (document section 7.1)", "authorize")
        state = state or generate_token()
        address = calls.authorization_url(
            self._site_with(authorization_endpoint=url),
            client_id=self.client_id,
            redirect_uri=redirect_uri,
            scope=scope if isinstance(scope, str) else " ".join(scope or ()),
            state=state,
        )
        return address, state

    def _site_with(self, **endpoint: str | None) -> Site:
        changed: dict[str, Any] = {
            name: url for name, url in endpoint.items() if url and url != getattr(self.site, name)
        }
        return dataclasses.replace(self.site, **changed) if changed else self.site

    def _token_call(
        self,
        url: str | None,
        code: str | None,
        authorization_response: str | None,
        state: str | None,
        params: dict[str, Any],
    ) -> Call[KuCoinToken]:
        redirect_uri = params.pop("redirect_uri", None) or self.redirect_uri
        grant_type = params.pop("grant_type", "authorization_code")
        _only_code_mode(grant_type == "authorization_code", "token")
        _refuse(params, "token endpoint (document section 7.2)", "token")
        if authorization_response is not None:
            callback = read_callback(
                parse_qsl(_query_of(authorization_response), keep_blank_values=True)
            )
            expected = state or self.state
            if expected and callback.state != expected:
                raise mismatching_state()
            code = callback.code()
        if not code:
            raise ConfigurationError(
                "Give code= or authorization_response= to exchange for a token.",
                operation="token",
            )
        return calls.token_call(
            self._site_with(token_endpoint=url),
            client_id=self.client_id,
            client_secret=self.client_secret,
            code=code,
            redirect_uri=redirect_uri,
        )

    def _refresh_call(self, token: Mapping[str, Any], url: str | None) -> Call[KuCoinToken]:
        scope = self.scope if isinstance(self.scope, str) else " ".join(self.scope or ())
        return calls.refresh_call(
            self._site_with(refresh_endpoint=url), token=token, scope=scope or None
        )

    def _refuse_if_closed(self, operation: str) -> None:
        """Raise if this client cannot send anything any more."""

    def _token_to_refresh(self, refresh_token: str | None) -> Mapping[str, Any]:
        own: Mapping[str, Any] = self.token or {}
        if refresh_token is None or own.get("refresh_token") == refresh_token:
            return own
        return {"refresh_token": refresh_token}

    def _is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        return isinstance(token, Mapping) and bool(KuCoinToken(token).is_expired(self.leeway))

    def _is_own(self, token: Mapping[str, Any]) -> bool:
        return bool((self.token or {}).get("refresh_token") == token["refresh_token"])


def _query_of(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        pass
    raise AuthorizationDenied(
        "The callback's address cannot be read. Start the login again.", operation="callback"
    )


def _only_code_mode(holds: bool, operation: str) -> None:  # noqa: FBT001 - a fact
    if not holds:
        raise ConfigurationError(
            "KuCoin has the authorization code mode only (document section 5).",
            operation=operation,
        )


def _refuse(params: Iterable[str], what: str, operation: str) -> None:
    if names := sorted(params):
        raise ConfigurationError(
            f"KuCoin's {what} takes no {', '.join(map(repr, names))}.", operation=operation
        )
