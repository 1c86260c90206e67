"""Shared by all clients: settings, and the calls built from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeGuard
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.auth import TokenAuth

from authlib_kucoin._errors import AuthorizationDenied, ConfigurationError
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.callback import mismatching_state, read_callback
from authlib_kucoin._protocol.sites import Site, resolve_site

from .preconditions import check_function

#: A token, or one half of it alone: the access token or the refresh token.
AnyToken = Mapping[str, Any] | str


class KuCoinTokenAuth(TokenAuth):
    """Authlib's holder of a token. Its repr hides the values."""

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
    """The settings of a client, and the calls built from them."""

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

    #: Seconds for a whole call. Set by the clients' constructors.
    total_timeout: float

    _site: Site | str | None
    _fast_api: object
    _awaits: ClassVar = False
    _resolved_site: Site | None = None

    @property
    def site(self) -> Site:
        """The KuCoin site that this client talks to.

        Raises:
            ConfigurationError: If none was given, or an unknown one.
        """
        if self._resolved_site is None:
            names = ("authorization_endpoint", "token_endpoint")  # as in RFC 8414
            given = {name: self.metadata[name] for name in names if self.metadata.get(name)}
            site = resolve_site(self._site, self._fast_api)
            self._resolved_site = dataclasses.replace(site, **given) if given else site
        return self._resolved_site

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
            state: Comes back in the callback; random unless given.
            code_verifier: Must be left out: KuCoin has no PKCE.
            params: ``redirect_uri`` and ``scope``, if they differ from the client's.

        Raises:
            UnsafeRedirectURI: If the redirect URI cannot be sent unencoded.
            ConfigurationError: If a setting is missing, or KuCoin has no such parameter.
        """
        if code_verifier:
            raise ConfigurationError(
                "KuCoin has no PKCE: leave code_challenge_method out.", operation="authorize"
            )
        _only_code_mode(is_so=params.pop("response_type", "code") == "code", operation="authorize")
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

    def token_call(
        self,
        url: str | None = None,
        *,
        code: str | None = None,
        authorization_response: str | None = None,
        state: str | None = None,
        **params: Any,
    ) -> Call[KuCoinToken]:
        """Return the call that :meth:`fetch_token` performs; see there for the arguments."""
        redirect_uri = params.pop("redirect_uri", None) or self.redirect_uri
        grant_type = params.pop("grant_type", "authorization_code")
        _only_code_mode(is_so=grant_type == "authorization_code", operation="token")
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
                "Pass code= or authorization_response= to exchange for a token.",
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

    def _site_with(self, **endpoint: str | None) -> Site:
        changed: dict[str, Any] = {
            name: url for name, url in endpoint.items() if url and url != getattr(self.site, name)
        }
        return dataclasses.replace(self.site, **changed) if changed else self.site

    def _refuse_if_closed(self, operation: str) -> None:
        """Raise if this client is closed."""

    def has_listener(self) -> bool:
        """Check ``update_token`` before a refresh is sent, and tell whether there is one.

        A registered app puts its own method in the place of this one.

        Raises:
            ConfigurationError: If it cannot be called as it will be.
        """
        if self.update_token is None:
            return False
        check_function(
            self.update_token,
            "update_token",
            keywords=("refresh_token",),
            is_awaited=self._awaits,
            operation="refresh",
        )
        return True

    def _token_to_refresh(self, refresh_token: str | None) -> Mapping[str, Any]:
        own: Mapping[str, Any] = self.token or {}
        if refresh_token is None or own.get("refresh_token") == refresh_token:
            return own
        return {"refresh_token": refresh_token}

    # What the shared calls ask of a client.

    def default_token(self, request: object) -> AnyToken | None:
        """Return the token to use if none was given.

        Raises:
            ConfigurationError: If a request was given: only a registered app looks tokens up.
        """
        if request is not None:
            raise ConfigurationError("A client has no use for request=: pass token= instead.")
        token: AnyToken | None = self.token
        return token

    def is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a token expires within ``leeway`` seconds."""
        return isinstance(token, Mapping) and bool(KuCoinToken(token).is_expired(self.leeway))

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Keep a new pair if it replaces the client's own."""
        if (self.token or {}).get("refresh_token") == old["refresh_token"]:
            self.token = fresh


def _query_of(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        pass
    raise AuthorizationDenied(
        "The callback's address cannot be read. Start the login again.", operation="callback"
    )


def _only_code_mode(*, is_so: bool, operation: str) -> None:
    if not is_so:
        raise ConfigurationError(
            "KuCoin has the authorization code mode only (document section 5).",
            operation=operation,
        )


def _refuse(params: Iterable[str], what: str, operation: str) -> None:
    if names := sorted(params):
        raise ConfigurationError(
            f"KuCoin's {what} has no parameter {', '.join(map(repr, names))}: leave it out.",
            operation=operation,
        )
