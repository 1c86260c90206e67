"""KuCoin with requests: for Flask, Django and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from authlib.integrations.requests_client import OAuth2Auth, OAuth2Session
from requests import ConnectionError as RequestsConnectionError
from requests import PreparedRequest, Timeout

from ._clients.base_client import KuCoinTokenAuth
from ._clients.failures import cannot_connect, name_of
from ._clients.in_flight import under_way
from ._clients.requests_adapter import KEEPALIVE_EXPIRY, POOL_MAXSIZE, KuCoinAdapter
from ._clients.sync_client import SyncClient
from ._errors import ConfigurationError
from ._protocol.call import Call
from ._protocol.sites import Site

__all__ = ["KuCoinOAuth2Session"]

T = TypeVar("T")

# Before anything is sent: addresses that cannot be read, files that are not there.
_BROKEN_SETUP: Final = (ValueError, OSError)
_NO_CONNECTION: Final = (RequestsConnectionError, Timeout)


class _Auth(KuCoinTokenAuth, OAuth2Auth):
    """Signs requests of the user's own with the token."""


class KuCoinOAuth2Session(SyncClient, OAuth2Session):  # type: ignore[misc]  # Authlib's methods take more
    """Authlib's ``OAuth2Session`` for KuCoin.

    Args:
        client_id: The broker's client id.
        client_secret: Sent to the token endpoint if given. The document's parameter table has
            none, so leave it out unless KuCoin gave you one.
        site: ``"eu"``, ``"global"``, ``"australia"``, a :class:`authlib_kucoin.Site`, or a base
            URL. There is no default.
        redirect_uri: As registered with KuCoin; it is sent unencoded.
        token: A token to begin with.
        update_token: Called as ``update_token(token, refresh_token=old)`` with each new pair.
        timeout: Seconds to wait for a connection, and then for an answer.
        pool_maxsize: How many idle connections to keep.
        keepalive_expiry: After how many idle seconds a connection is not used again.
        adapter: Connections to share with other sessions, which this one will not close.
        options: Whatever else Authlib's ``OAuth2Session`` takes.
    """

    token_auth_class = _Auth

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        site: Site | str | None = None,
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
        if options.get("verify") is None:  # requests would take it for "do not verify"
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
        self._borrowed = adapter
        if adapter is None:
            adapter = KuCoinAdapter(pool_maxsize=pool_maxsize, keepalive_expiry=keepalive_expiry)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def close(self) -> None:
        """Close the connections, unless they are shared."""
        for adapter in self.adapters.values():
            if adapter is not self._borrowed:
                adapter.close()

    @staticmethod
    def connections(client_kwargs: Mapping[str, Any]) -> KuCoinAdapter:
        """Return connections for sessions with these settings to share."""
        settings = ("pool_maxsize", "keepalive_expiry")
        return KuCoinAdapter(**{k: client_kwargs[k] for k in settings if k in client_kwargs})

    def _perform(self, call: Call[T]) -> T:
        if call.creates_key and _may_repeat(self.get_adapter(call.url)):
            raise ConfigurationError(
                "An adapter that repeats POST requests is mounted: a key would be asked for twice.",
                operation=call.operation,
            )
        broken = None
        with under_way(call.secrets) as progress:
            try:
                response = self._send(call, progress)
                status, body, failure = response.status_code, response.content, ""
            except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
                # The error itself goes no further: its text may hold the URL, code and all.
                failure = name_of(error)
                if isinstance(error, _BROKEN_SETUP) and not isinstance(error, _NO_CONNECTION):
                    broken = cannot_connect(error, call.operation)
        if broken and not progress.sent:
            raise broken
        if failure:
            call.unanswered(failure, sent=progress.sent)
        return call.answer(status, body)

    def _send(self, call: Call[Any], progress: under_way) -> Any:
        """Send a request past the session: no cookies, no ~/.netrc, no redirects, no hooks."""
        request = PreparedRequest()
        request.prepare(
            method=call.method,
            url=call.url,
            headers=call.headers_among(self.headers),
            data=call.body or None,
        )
        request.url = call.url  # byte for byte, whatever requests makes of it
        settings = self.merge_environment_settings(
            call.url, proxies={}, stream=False, verify=None, cert=None
        )
        if self._own_verify is not None:
            # REQUESTS_CA_BUNDLE is for who says nothing.
            settings["verify"] = self._own_verify
        adapter = self.get_adapter(call.url)
        # Of another adapter it is not known what it has sent when.
        progress.sent = not isinstance(adapter, KuCoinAdapter)
        return adapter.send(request, timeout=self.default_timeout, **settings)


def _may_repeat(adapter: Any) -> bool:
    """Tell whether an adapter sends a POST again that may have arrived."""
    retries = getattr(adapter, "max_retries", None)
    if retries is None or retries.total == 0:
        return False
    methods = retries.allowed_methods  # False or None: all of them
    return not methods or "POST" in methods
