"""Shared by all clients: settings, and the calls built from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NoReturn, TypeGuard
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token

from authlib_kucoin._errors import AuthorizationDenied, ConfigurationError
from authlib_kucoin._models import KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._protocol.call import Call
from authlib_kucoin._protocol.callback import mismatching_state, read_callback
from authlib_kucoin._protocol.sites import Site, resolve_site

from .limits import DEFAULT_TOTAL_TIMEOUT, checked_total_timeout
from .not_of_kucoin import NotOfKuCoin
from .options import NO_PKCE, ONLY_CODE_MODE, Accepted, parameters_of, refuse_late
from .overrides import OF_CLIENTS, refuse_overrides
from .preconditions import check_function

#: A token: a mapping with its fields, or a string. A string is the refresh token in
#: ``refresh_access_token``, and the access token in all other methods.
AnyToken = Mapping[str, Any] | str

#: An extra field of a token that is to be refreshed: the scope that the caller asked for.
_ASKED_SCOPE: Final = "asked_scope"


class ClientBase(NotOfKuCoin):
    """Base of all clients: their settings, and the calls built from them."""

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
    token_auth: Any
    # Set by the HTTP library's constructor: ``hooks`` by that of requests only.
    hooks: Any
    params: Any

    #: The options that the constructor takes besides its own parameters, and some that it refuses.
    accepted: ClassVar[Accepted]

    #: The time limit for a whole call, in seconds.
    total_timeout: float = DEFAULT_TOTAL_TIMEOUT

    _site: Site | str | None
    _fast_api: object
    _awaits: ClassVar = False
    _resolved_site: Site | None = None
    _is_made = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_overrides(cls, OF_CLIENTS)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_made:
            refuse_late(self, name)
        if name == "total_timeout":
            value = checked_total_timeout(value)
        super().__setattr__(name, value)

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} cannot be copied or pickled, because its connections and "
            "update_token cannot. Store its token, and make another client with it."
        )

    def __del__(self) -> None:
        # Replaces Authlib's __del__, which deletes the attribute ``session`` too, but fails if an
        # error has prevented Authlib's constructor from setting it.
        vars(self).pop("session", None)

    @property
    def site(self) -> Site:
        """The KuCoin site that this client talks to.

        Raises:
            ConfigurationError: If no site was given, or the site, ``fast_api`` or the address of an
                endpoint is not valid.
        """
        if self._resolved_site is None:
            names = ("authorization_endpoint", "token_endpoint")  # the names in RFC 8414
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
        """Return the address of KuCoin's login page, and the state in it (document section 7.1).

        Args:
            url: URL of the login page; the site's if left out.
            state: KuCoin returns it in the callback. Random if left out.
            code_verifier: Must be left out: KuCoin has no PKCE.
            params: ``redirect_uri`` and ``scope``, if they differ from the client's.

        Raises:
            UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is
                for loopback only), or cannot be sent unencoded.
            ConfigurationError: If a setting is missing or wrong, ``url`` is not valid,
                ``code_verifier`` is given, or KuCoin's login page does not take one of ``params``.
        """
        if code_verifier:
            raise ConfigurationError(
                f"{NO_PKCE} Leave out code_challenge_method.", operation="authorize"
            )
        _only_code_mode(is_so=params.pop("response_type", "code") == "code", operation="authorize")
        redirect_uri = params.pop("redirect_uri", None) or self.redirect_uri
        scope = params.pop("scope", None) or self.scope
        self._refuse(params, "login page (document section 7.1)", "authorize")
        state = state or generate_token()
        address = calls.authorization_url(
            self._site_with(authorization_endpoint=url),
            client_id=self.client_id,
            redirect_uri=redirect_uri,
            scope=_text_of(scope),
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
        """Return the call that ``fetch_token`` sends. See there for the arguments and errors."""
        redirect_uri = params.pop("redirect_uri", None) or self.redirect_uri
        grant_type = params.pop("grant_type", None) or "authorization_code"
        _only_code_mode(is_so=grant_type == "authorization_code", operation="token")
        if str(params.pop("method", "GET")).upper() != "GET":
            raise ConfigurationError(
                "KuCoin's token call is a GET (document section 7.2): leave out method.",
                operation="token",
            )
        self._refuse(params, "token endpoint (document section 7.2)", "token")
        if authorization_response is None and state:
            raise ConfigurationError(
                "Pass state= with authorization_response=: with code= alone there is no state to "
                "compare it with.",
                operation="token",
            )
        if authorization_response is not None and code:
            raise ConfigurationError(
                "Pass code= or authorization_response=, not both.", operation="token"
            )
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
        scope = token.get(_ASKED_SCOPE) or _text_of(self.scope)
        if url and url == self.site.token_endpoint != self.site.refresh_endpoint:
            raise ConfigurationError(
                "Leave out the URL of the token endpoint: KuCoin refreshes tokens at another URL "
                "(document section 7.3), which the site knows.",
                operation="refresh",
            )
        return calls.refresh_call(self._site_with(refresh_endpoint=url), token=token, scope=scope)

    def _site_with(self, **endpoint: str | None) -> Site:
        changed: dict[str, Any] = {
            name: url for name, url in endpoint.items() if url and url != getattr(self.site, name)
        }
        return dataclasses.replace(self.site, **changed) if changed else self.site

    def check_ready(self, operation: str) -> None:
        """Raise, before anything is sent, if this client's settings do not allow a call.

        Args:
            operation: The name of the call, as in :attr:`authlib_kucoin.KuCoinError.operation`.

        Raises:
            ConfigurationError: If the client has params or hooks, because KuCoin's calls ignore
                them. (A ``protected_request`` hook prevents only ``"create_api_key"``.)
        """
        hooks = getattr(self, "event_hooks", None) or self.hooks
        ignored = {
            "params": self.params,
            "hooks": any(hooks.values()),
            "protected_request hooks": operation == "create_api_key" and self.token_auth.hooks,
        }
        if names := [name for name, value in ignored.items() if value]:
            raise ConfigurationError(
                f"This client has {', '.join(names)}, which KuCoin's calls ignore: make "
                "another client for your own requests.",
                operation=operation,
            )

    def _token_to_refresh(
        self, refresh_token: str | None, params: dict[str, Any]
    ) -> Mapping[str, Any]:
        scope = params.pop("scope", None)
        self._refuse(params, "refresh (document section 7.3)", "refresh")
        token: Mapping[str, Any] = self.token or {}
        if refresh_token is not None and token.get("refresh_token") != refresh_token:
            token = {"refresh_token": refresh_token}
        return {**token, _ASKED_SCOPE: _text_of(scope)} if scope else token

    def _refuse(self, params: Mapping[str, Any], what: str, operation: str) -> None:
        """Raise for parameters that KuCoin does not have. One that is None or "" does not count."""
        names = sorted(name for name, value in params.items() if value not in (None, ""))
        if not names:
            return
        text = f"KuCoin's {what} has no parameter {', '.join(map(repr, names))}: leave it out."
        of_client = self.accepted.names | parameters_of(self.__class__)
        if options := [name for name in names if name in of_client]:
            text += (
                f" Give {', '.join(options)} when the client is made, or in the client_kwargs of a "
                "registered app."
            )
        raise ConfigurationError(text, operation=operation)

    def has_listener(self) -> bool:
        """Tell whether ``update_token`` is set. The client asks this before it sends a refresh.

        A registered app replaces this method of its client by its own ``has_listener``.

        Raises:
            ConfigurationError: If ``check_function`` refuses ``update_token``.
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

    # Methods that the shared calls (SyncCalls, AsyncCalls) use.

    def default_token(self, request: object) -> AnyToken | None:
        """Return the client's own token, for a call that was given no token.

        Raises:
            ConfigurationError: If ``request`` is given, which only a registered app can use.
        """
        if request is not None:
            raise ConfigurationError("A client has no use for request=: pass token= instead.")
        token: AnyToken | None = self.token
        return token

    def is_expired(self, token: AnyToken | None) -> TypeGuard[Mapping[str, Any]]:
        """Tell whether a token has expired or will expire within ``leeway`` seconds.

        If the expiry is not known, as for a string, the result is False.

        Raises:
            TokenError: If a time in the token is not a number of seconds.
        """
        return isinstance(token, Mapping) and bool(KuCoinToken(token).is_expired(self.leeway))

    def on_refreshed(self, old: Mapping[str, Any], fresh: KuCoinToken) -> None:
        """Make the new pair the client's token if the old refresh token is the client's."""
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
            ONLY_CODE_MODE,
            operation=operation,
        )


def _text_of(scope: Iterable[str] | str | None) -> str:
    return scope if isinstance(scope, str) else " ".join(scope or ())
