"""Contenders that use requests: hand-written code, Flask, and python-social-auth."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import requests
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from social_core.backends.oauth import BaseOAuth2
from social_core.strategy import BaseStrategy

from authlib_kucoin import register_kucoin

from .contenders import (
    CALLBACK_QUERY,
    CODE,
    EXCHANGE,
    EXCHANGE_PATH,
    FORM,
    KEY_PATH,
    REDIRECT_URI,
    REFRESH_PATH,
    STATE,
    Contender,
    Spent,
    Stopwatch,
    check,
    refresh_form,
    register_stock,
)


class ByHandWithRequests(Contender):
    """The shortest hand-written code, with requests and one session."""

    name = "by hand, requests"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session = requests.Session()

    def sign_in(self) -> Spent:
        with Stopwatch() as watch:
            answer = self._session.get(self.url + EXCHANGE, timeout=10)
            headers = {"Authorization": f"bearer {answer.json()['access_token']}", **FORM}
            answer = self._session.post(self.url + KEY_PATH, headers=headers, timeout=10)
            check(answer.json()["data"]["secret"])
        return watch.spent

    def refresh(self) -> Spent:
        form = refresh_form()
        with Stopwatch() as watch:
            answer = self._session.post(self.url + REFRESH_PATH, data=form, timeout=10)
            check(answer.json()["access_token"])
        return watch.spent

    def close(self) -> None:
        self._session.close()


class _InFlask(Contender):
    """An app registered with Authlib's ``OAuth`` for Flask."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._flask = Flask(__name__)
        self._flask.secret_key = "benchmark"
        self._kucoin = self._register(OAuth(self._flask))

    @abstractmethod
    def _register(self, oauth: OAuth) -> Any:
        """Register KuCoin."""

    @abstractmethod
    def _sign_in(self) -> str:
        """Sign in, in a request to the callback, and return the key's secret."""

    def sign_in(self) -> Spent:
        with self._flask.test_request_context(f"/callback?{CALLBACK_QUERY}"):
            self._kucoin.save_authorize_data(redirect_uri=REDIRECT_URI, state=STATE)
            with Stopwatch() as watch:
                check(self._sign_in())
        return watch.spent

    def authorize_redirect(self) -> Spent:
        """Send a browser to the login page."""
        with self._flask.test_request_context("/connect"), Stopwatch() as watch:
            self._kucoin.authorize_redirect(REDIRECT_URI)
        return watch.spent


class OursInFlask(_InFlask):
    """This package, in Flask."""

    name = "ours, Flask"

    def _register(self, oauth: OAuth) -> Any:
        return register_kucoin(oauth, site=self.url, client_id="broker")

    def _sign_in(self) -> str:
        token = self._kucoin.authorize_access_token()
        secret: str = self._kucoin.create_api_key(token=token).secret
        return secret

    def refresh(self) -> Spent:
        refresh_token = refresh_form()["refresh_token"]
        with self._flask.app_context(), Stopwatch() as watch:
            check(self._kucoin.refresh_access_token(refresh_token)["access_token"])
        return watch.spent

    def close(self) -> None:
        self._kucoin.close()


class StockInFlask(_InFlask):
    """Stock Authlib in Flask, configured as far as possible."""

    name = "stock Authlib, Flask"

    def _register(self, oauth: OAuth) -> Any:
        return register_stock(oauth, self.url)

    def _sign_in(self) -> str:
        token = self._kucoin.authorize_access_token()
        secret: str = self._kucoin.post(KEY_PATH, token=token).json()["data"]["secret"]
        return secret

    def refresh(self) -> Spent:
        refresh_token = refresh_form()["refresh_token"]
        with Stopwatch() as watch, OAuth2Session("broker") as session:
            check(session.refresh_token(self.url + REFRESH_PATH, refresh_token)["access_token"])
        return watch.spent

    def close(self) -> None:
        """Do nothing: no connections stay open."""


class SocialCore(Contender):
    """Stock python-social-auth, configured as far as possible."""

    name = "stock social-core"

    def __init__(self, url: str) -> None:
        super().__init__(url)

        class KuCoin(BaseOAuth2):  # type: ignore[type-arg]
            name = "kucoin"
            ACCESS_TOKEN_URL = url + EXCHANGE_PATH
            ACCESS_TOKEN_METHOD = "GET"
            REFRESH_TOKEN_URL = url + REFRESH_PATH

        self._backend = KuCoin(_Strategy(None), REDIRECT_URI)

    def sign_in(self) -> Spent:
        backend = self._backend
        with Stopwatch() as watch:
            token = backend.request_access_token(
                backend.access_token_url(),
                method="GET",
                headers=backend.auth_headers(),
                params=backend.auth_complete_params(STATE),  # type: ignore[no-untyped-call]
            )
            headers = {"Authorization": f"bearer {token['access_token']}", **FORM}
            key: Any = backend.get_json(self.url + KEY_PATH, method="POST", headers=headers)
            check(key["data"]["secret"])
        return watch.spent

    def refresh(self) -> Spent:
        refresh_token = refresh_form()["refresh_token"]
        with Stopwatch() as watch:
            check(self._backend.refresh_token(refresh_token)["access_token"])
        return watch.spent

    def close(self) -> None:
        """Do nothing: no connections stay open."""


class _Strategy(BaseStrategy):  # type: ignore[type-arg]
    """The minimal strategy that a backend needs."""

    def get_setting(self, name: str) -> Any:
        settings = {"SOCIAL_AUTH_KUCOIN_KEY": "broker"}
        return settings[name]

    def request_data(self, merge: bool = True) -> dict[str, str]:
        return {"code": CODE}

    def build_absolute_uri(self, path: str | None = None) -> str:
        return path or REDIRECT_URI
