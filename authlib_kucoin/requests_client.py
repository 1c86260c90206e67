"""KuCoin with requests: for Flask, Django and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from authlib.integrations.requests_client import OAuth2Auth, OAuth2Session
from requests import ConnectionError as RequestsConnectionError
from requests import PreparedRequest, Timeout

from ._clients.base_client import KuCoinTokenAuth
from ._clients.failures import cannot_connect, name_of
from ._clients.in_flight import InFlight
from ._clients.requests_adapter import KEEPALIVE_EXPIRY, POOL_MAXSIZE, KuCoinAdapter
from ._clients.sync_client import SyncClient
from ._errors import ConfigurationError
from ._protocol.call import Call
from ._protocol.sites import Site

__all__ = ["KuCoinOAuth2Session"]

T = TypeVar("T")

#: Raised before anything is sent: unreadable addresses, missing files.
_BROKEN_SETUP: Final = (ValueError, OSError)
_NO_CONNECTION: Final = (RequestsConnectionError, Timeout)


class _Auth(KuCoinTokenAuth, OAuth2Auth):
    """Signs the application's own requests with the token."""


class KuCoinOAuth2Session(SyncClient, OAuth2Session):  # type: ignore[misc]  # Authlib's methods take more
    """Authlib's ``OAuth2Session`` for KuCoin.

    Args:
        client_id: The broker's client id.
        client_secret: Sent to the token endpoint if given. The document's parameter table has
            none, so leave it out unless KuCoin gave you one.
        site: ``"eu"``, ``"global"``, ``"australia"``, a :class:`authlib_kucoin.Site`, or a base
            URL. There is no default.
        fast_api: The version of the Fast API, 1 or 2, if it is not the site's.
        redirect_uri: As registered with KuCoin; it is sent unencoded.
        token: A token to begin with.
        update_token: Called as ``update_token(token, refresh_token=old)`` with each new pair.
        timeout: Seconds to wait for a connection, and then for an answer.
        pool_maxsize: How many idle connections are kept.
        keepalive_expiry: Idle seconds after which a connection is not used again.
        adapter: Connections shared with other sessions; this one does not close them.
        options: The other arguments of Authlib's ``OAuth2Session``.
    """

    token_auth_class = _Auth

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        site: Site | str | None = None,
        fast_api: int | None = None,
        redirect_uri: str | None = None,
        token: Mapping[str, Any] | None = None,
        update_token: Callable[..., object] | None = None,
        timeout: float | tuple[float, float] | None = 10.0,
        pool_maxsize: int = POOL_MAXSIZE,
        keepalive_expiry: float = KEEPALIVE_EXPIRY,
        adapter: KuCoinAdapter | None = None,
        **options: Any,
    ) -> None:
        """Set up a session; nothing is sent."""
        self._site = site
        self._fast_api = fast_api
        if options.get("verify") is None:  # to requests, None means "do not verify"
            options.pop("verify", None)
        self._own_verify = options.get("verify")
        options.setdefault("default_timeout", timeout)
        super().__init__(
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            token=token,
            update_token=update_token,
            **options,
        )
        self._owns_pool = adapter is None
        self.pool = adapter or KuCoinAdapter(
            pool_maxsize=pool_maxsize, keepalive_expiry=keepalive_expiry
        )
        self.mount("https://", self.pool)
        self.mount("http://", self.pool)

    def close(self) -> None:
        """Close the connections, unless they are shared."""
        for adapter in self.adapters.values():
            if self._owns_pool or adapter is not self.pool:
                adapter.close()

    @staticmethod
    def new_pool(client_kwargs: Mapping[str, Any]) -> KuCoinAdapter:
        """Return connections that sessions with these settings can share."""
        settings = ("pool_maxsize", "keepalive_expiry")
        return KuCoinAdapter(**{k: client_kwargs[k] for k in settings if k in client_kwargs})

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        if call.creates_key and _may_repeat(self.get_adapter(call.url)):
            raise ConfigurationError(
                "A mounted adapter repeats POST requests, so a key could be created twice: take "
                "POST out of its retries.",
                operation=call.operation,
            )
        broken = None
        with InFlight(call.secrets) as progress:
            try:
                response = self._send(call, progress)
                status, body, failure = response.status_code, response.content, ""
                headers = response.headers
            except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
                # Drop the error itself: its text may hold the URL with the code.
                failure = name_of(error)
                if isinstance(error, _BROKEN_SETUP) and not isinstance(error, _NO_CONNECTION):
                    broken = cannot_connect(error, call.operation)
        if broken and not progress.sent:
            raise broken
        if failure:
            call.unanswered(failure, sent=progress.sent)
        return call.answer(status, body, headers)

    def _send(self, call: Call[Any], progress: InFlight) -> Any:
        """Send a request by the adapter: without cookies, ~/.netrc, redirects and hooks."""
        request = PreparedRequest()
        request.prepare(
            method=call.method,
            url=call.url,
            headers=call.headers_among(self.headers),
            data=call.body or None,
        )
        request.url = call.url  # byte for byte: requests may have changed it
        settings = self.merge_environment_settings(
            call.url, proxies={}, stream=False, verify=None, cert=None
        )
        if self._own_verify is not None:
            # REQUESTS_CA_BUNDLE applies only if ``verify`` was not set.
            settings["verify"] = self._own_verify
        adapter = self.get_adapter(call.url)
        # Other adapters cannot tell, so assume it was sent.
        progress.sent = not isinstance(adapter, KuCoinAdapter)
        return adapter.send(request, timeout=self.default_timeout, **settings)


def _may_repeat(adapter: Any) -> bool:
    """Tell whether an adapter may send a POST again that has arrived already."""
    retries = getattr(adapter, "max_retries", None)
    if retries is None or retries.total == 0:
        return False
    methods = retries.allowed_methods  # False or None: all of them
    return not methods or "POST" in methods
