"""The three clients in a script, which stores the state and reads the callback's URL.

If the callback is a POST, the script puts the fields of its form into the URL.
"""

from __future__ import annotations

import ssl
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib_kucoin import AsyncKuCoinOAuth2Client, KuCoinOAuth2Client, KuCoinOAuth2Session

from ._base import AsyncStack, Settings, Stack, SyncStack

#: One TLS context for the clients over httpx2, because creating one takes some 20 ms.
_TLS = ssl.create_default_context()


class _ClientStack(Stack):
    """A script with one client, which holds the token."""

    keeps_token = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.client = self._new_client()
        self._states: dict[str, str] = {}

    @abstractmethod
    def _new_client(self) -> Any:
        """Return a new client."""

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "site": self.settings.site,
            "fast_api": self.settings.fast_api,
            "redirect_uri": self.settings.redirect_uri,
            **self.settings.of_calls,
            "update_token": self.update_token,
        }

    @property
    def held(self) -> Mapping[str, Any] | None:
        return self.client.token

    def login(self, user: str = "alice") -> str:
        url, self._states[user] = self.client.create_authorization_url()
        return url

    def finish(self, url: str, user: str = "alice") -> dict[str, Any]:
        # Without a login of this user, expect a state that no callback has.
        state = self._states.pop(user, "none")
        return self.settle(self.client.fetch_token(authorization_response=url, state=state))

    def finish_by_post(
        self, url: str, fields: Mapping[str, str], user: str = "alice"
    ) -> dict[str, Any]:
        return self.finish(f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}", user)

    def call(self, verb: str, argument: Any) -> Any:
        if verb == "refresh":
            self.client.token = argument
            return self.client.refresh_token()
        if verb == "validate":
            return self.client.validate_access_token(argument)
        if verb == "create_api_key":
            return self.client.create_api_key(argument, **self.settings.key_options)
        return self.client.get_api_key_info(argument)


class _SyncClientStack(_ClientStack, SyncStack):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._workers: list[Stack] = []

    def worker(self) -> Stack:
        # A client holds one token, so each thread needs its own client.
        worker = type(self)(self.settings)
        worker.updates = self.updates
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self.client.close()


class RequestsStack(_SyncClientStack):
    """``KuCoinOAuth2Session``."""

    def _new_client(self) -> KuCoinOAuth2Session:
        return KuCoinOAuth2Session(**self._options)


class HttpxStack(_SyncClientStack):
    """``KuCoinOAuth2Client``."""

    def _new_client(self) -> KuCoinOAuth2Client:
        return KuCoinOAuth2Client(**self._options, verify=_TLS)


class AsyncHttpxStack(_ClientStack, AsyncStack):
    """``AsyncKuCoinOAuth2Client``."""

    def _new_client(self) -> AsyncKuCoinOAuth2Client:
        return AsyncKuCoinOAuth2Client(**self._options, verify=_TLS)

    def close(self) -> None:
        self.settle(self.client.aclose())
        super().close()
