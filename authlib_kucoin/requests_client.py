"""The client that sends with requests, for Flask, Django and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from authlib.integrations.requests_client import OAuth2Auth, OAuth2Session
from requests import ConnectionError as RequestsConnectionError
from requests import PreparedRequest, Response, Session, Timeout
from requests.utils import select_proxy
from urllib3 import HTTPResponse, Retry
from urllib3.exceptions import HTTPError

from ._clients.failures import host_of
from ._clients.in_flight import InFlight
from ._clients.limits import (
    DEFAULT_TIMEOUT,
    DEFAULT_TOTAL_TIMEOUT,
    LARGEST_BODY,
    Body,
)
from ._clients.options import WITH_REQUESTS, checked, refuse_unused
from ._clients.outcome import Outcome
from ._clients.requests_adapter import KuCoinAdapter
from ._clients.sync_client import SyncClient
from ._clients.token_auth import KuCoinTokenAuth
from ._errors import ConfigurationError
from ._protocol.call import Call
from ._protocol.sites import Site

__all__ = ["KuCoinOAuth2Session"]

T = TypeVar("T")

#: Errors of requests and urllib3 that count as failures of the network, unless their cause is known
#: to be a wrong setting.
_TEMPORARY: Final = (RequestsConnectionError, Timeout, HTTPError)


class _Auth(KuCoinTokenAuth, OAuth2Auth):
    """Adds the token to the application's own requests."""


class KuCoinOAuth2Session(SyncClient, OAuth2Session):  # type: ignore[misc]  # Authlib's methods take more
    """Authlib's ``OAuth2Session`` for KuCoin.

    Args:
        client_id: The broker's client id.
        client_secret: The broker's client secret, which is sent to the token endpoint. The
            document's parameter table has none, so leave it out unless KuCoin gave you one.
        site: ``"eu"``, ``"global"``, ``"australia"``, a :class:`authlib_kucoin.Site`, or a base
            URL. There is no default.
        fast_api: The version of the Fast API, 1 or 2; the site's own if left out.
        redirect_uri: The callback address, exactly as registered with KuCoin. It is sent
            unencoded.
        token: The token of the user, if there is one already.
        update_token: A function that stores a new token pair. After this session has sent a
            successful refresh, it is called as ``update_token(token, refresh_token=old)``, where
            ``old`` is the old refresh token. If it raises, the refresh raises the same error. The
            pair is then kept in memory for up to ten minutes, and the next refresh with the old
            token calls ``update_token`` with that pair.
        timeout: How many seconds to wait at most for a connection to one address of the host, and
            then for each part of the answer; 10 if left out. A pair of numbers sets the two
            separately.
        total_timeout: The time limit in seconds for a whole call, from connecting to the last byte
            of the answer; 20 if left out. Three steps of a blocking client can take longer: see the
            documentation of proxies.
        pool_maxsize: How many idle connections are kept at most for each host; 50 if left
            out. More connections can be in use at the same time.
        keepalive_expiry: After how many idle seconds a connection is closed rather than used
            again; 5 if left out.
        adapter: An adapter whose connections other sessions share. ``close()`` leaves these
            connections open.
        options: The other arguments of Authlib's ``OAuth2Session``. Options that would have no
            effect are refused.

    Raises:
        ConfigurationError: If an option is unknown, wrong or without effect. Some values, such as
            ``site``, are checked only when they are used.
        TokenError: If ``token`` is not a mapping, or a time in it is not a number of seconds.
    """

    token_auth_class = _Auth
    accepted = WITH_REQUESTS
    _own_verify: bool | str | None = None

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
        timeout: float | tuple[float, float] | None = DEFAULT_TIMEOUT,
        total_timeout: float = DEFAULT_TOTAL_TIMEOUT,
        pool_maxsize: int | None = None,
        keepalive_expiry: float | None = None,
        adapter: KuCoinAdapter | None = None,
        **options: Any,
    ) -> None:
        """Set up a session; nothing is sent."""
        self._site = site
        self._fast_api = fast_api
        options = checked(type(self), options, client_secret)
        if timeout != DEFAULT_TIMEOUT:
            refuse_unused(options, ["default_timeout"], "timeout")
        if adapter is not None:
            given = {"pool_maxsize": pool_maxsize, "keepalive_expiry": keepalive_expiry}
            # An app repeats the settings that its adapter already has, so these are accepted.
            refuse_unused(dict(given.items() - adapter.settings.items()), given, "adapter")
        options.setdefault("default_timeout", timeout)
        super().__init__(
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=redirect_uri,
            token=token,
            update_token=update_token,
            **options,
        )
        self.verify = options.get("verify")
        self.total_timeout = total_timeout
        self._owns_pool = adapter is None
        self.pool = adapter or KuCoinAdapter(
            pool_maxsize=pool_maxsize, keepalive_expiry=keepalive_expiry
        )
        self.mount("https://", self.pool)
        self.mount("http://", self.pool)
        self._is_made = True

    @property
    def verify(self) -> bool | str:
        """Whether to verify the server's certificate, or the path of the certificates to trust."""
        # To requests, None means "do not verify".
        return True if self._own_verify is None else self._own_verify

    @verify.setter
    def verify(self, value: bool | str | None) -> None:
        self._own_verify = value

    @property
    def timeout(self) -> Any:
        """The ``timeout`` of this session, which Authlib calls ``default_timeout``."""
        return self.default_timeout

    @timeout.setter
    def timeout(self, value: Any) -> None:
        self.default_timeout = value

    def close(self) -> None:
        """Close the connections, except those of the constructor's argument ``adapter``."""
        for adapter in self.adapters.values():
            if self._owns_pool or adapter is not self.pool:
                adapter.close()

    @staticmethod
    def new_pool(client_kwargs: Mapping[str, Any]) -> KuCoinAdapter:
        """Return an adapter that all sessions with these ``client_kwargs`` can share."""
        settings = ("pool_maxsize", "keepalive_expiry")
        return KuCoinAdapter(**{k: client_kwargs[k] for k in settings if k in client_kwargs})

    def check_ready(self, operation: str) -> None:
        """Raise, before anything is sent, if this session's settings do not allow a call.

        Raises:
            ConfigurationError: As in :meth:`ClientBase.check_ready`. For ``"create_api_key"``, also
                if there is no valid site, or a mounted adapter could send that request twice.
        """
        super().check_ready(operation)
        adapter_of = self.get_adapter
        if operation == "create_api_key" and _may_repeat(adapter_of(self.site.api_key_endpoint)):
            raise ConfigurationError(
                "A mounted adapter repeats POST requests, so a key could be created twice: take "
                "POST out of its retries.",
                operation=operation,
            )

    def perform(self, call: Call[T]) -> T:
        """Send one call and return its result."""
        self.check_ready(call.operation)
        request = PreparedRequest()
        proxies: dict[str, Any] = {}
        with InFlight(call.secrets, self.total_timeout) as progress:
            outcome = Outcome(
                call,
                progress,
                authorities="REQUESTS_CA_BUNDLE",
                temporary=_TEMPORARY,
                proxy=lambda: host_of(select_proxy(call.url, proxies) or ""),
            )
            try:
                with self._send(call, request, proxies, progress) as response:
                    outcome.status, outcome.headers = response.status_code, response.headers
                    outcome.body = _body(response)
            except BaseException as error:  # noqa: BLE001 - result() raises it or our own error
                outcome.failed(error)
        return outcome.result()

    def _send(
        self,
        call: Call[Any],
        request: PreparedRequest,
        proxies: dict[str, Any],
        progress: InFlight,
    ) -> Response:
        """Send a call by the adapter itself: without cookies, ~/.netrc, redirects and hooks.

        If ``send`` has been replaced in a subclass or in this session, call that method instead.
        """
        request.prepare(
            method=call.method,
            url=call.url,
            headers=call.headers_among(self.headers),
            data=call.body or None,
        )
        request.url = call.url  # byte for byte: prepare() can have changed it
        if self.trust_env and not getproxies():
            # requests would read the whole environment twice again to find that there is no proxy.
            proxies["no_proxy"] = urlsplit(call.url).hostname
        settings = self.merge_environment_settings(
            call.url, proxies=proxies, stream=True, verify=None, cert=None
        )
        proxies.update(settings["proxies"])
        if self._own_verify is not None:
            # REQUESTS_CA_BUNDLE applies only if ``verify`` was not set.
            settings["verify"] = self._own_verify
        adapter = self.get_adapter(call.url)
        # A KuCoinAdapter sets ``sent`` when it sends the request. For any other adapter, assume
        # already now that the request was sent.
        progress.sent = not isinstance(adapter, KuCoinAdapter)
        settings["timeout"] = self.default_timeout
        if getattr(self.send, "__func__", None) is Session.send:
            # Not self.send: instrumentation replaces Session.send, and records URLs.
            response: Response = adapter.send(request, **settings)
        else:  # ``send`` was replaced in a subclass or in this session
            progress.sent = True  # assumed, as for an adapter other than KuCoinAdapter
            response = self.send(request, allow_redirects=False, **settings)
        return response


def _body(response: Response) -> bytes:
    """Return the body of an answer.

    Raises:
        UnusableBody: If the body is too large or cannot be decoded.
    """
    body = Body()
    raw = response.raw
    if not isinstance(raw, HTTPResponse):  # from an adapter that does not use urllib3
        body.add(response.content)
        return body.decoded(None)
    while piece := raw.read(LARGEST_BODY + 1, decode_content=False):
        body.add(piece)
        if raw.length_remaining == 0:  # all of Content-Length is read, and the connection released
            break
    return body.decoded(response.headers.get("Content-Encoding"))


def _may_repeat(adapter: Any) -> bool:
    """Tell by ``max_retries`` whether an adapter may repeat a POST that the server has received."""
    retries = getattr(adapter, "max_retries", None)
    if not isinstance(retries, Retry):
        return bool(retries)
    if retries.total == 0:
        return False
    methods = retries.allowed_methods  # False or None means all methods
    return not methods or "POST" in methods
