"""
KuCoin Broker Fast API backend, docs at:
    https://www.kucoin.com/docs-new/rest/broker/api-broker/fast-api
"""

from __future__ import annotations

import base64
import hmac
import time
from typing import Any, cast
from urllib.parse import quote

from social_core.backends.base import ResponseT_co
from social_core.backends.oauth import BaseOAuth2
from social_core.exceptions import (
    AuthCanceled,
    AuthConfigurationError,
    AuthProviderError,
    AuthResponseError,
    ErrorStage,
)
from social_core.utils import module_member


class KuCoinOAuth2(BaseOAuth2[ResponseT_co]):
    """Connects a KuCoin account; the new API key tells the number of the account"""

    name = "kucoin"
    title = "KuCoin"
    ASSOCIATION_ONLY = True
    ID_KEY = "uid"
    REDIRECT_STATE = False
    ACCESS_TOKEN_METHOD = "GET"
    DEFAULT_SCOPE = ["OAUTH_CREATE_API"]
    WEB_URL = "https://www.kucoin.com"
    REST_URL = "https://api.kucoin.com"
    KEY_PATH = "/_oauth/resource/ucenter/outer/api-key/add"
    KEY_INFO_PATH = "/api/v1/user/api-key"

    def web_url(self, path: str) -> str:
        return f"{self.setting('WEB_URL', self.WEB_URL)}{path}"

    def authorization_url(self) -> str:
        return self.web_url("/oauth")

    def access_token_url(self) -> str:
        return self.web_url("/_oauth/access-token")

    def refresh_token_url(self) -> str:
        return self.web_url("/_oauth/refresh-token")

    def process_error(self, data, *, stage: ErrorStage = "callback") -> None:
        """Read "success" before "code", which is an error code if it is false

        Errors of the token endpoints look the same, and come with HTTP 200.
        """
        super().process_error(data, stage=stage)
        if str(data.get("success", "true")).lower() == "true":
            return
        if stage == "callback":
            raise AuthCanceled(
                self, data.get("msg") or "", stage=stage, provider_code=data.get("code")
            )
        raise AuthProviderError(
            self, code="http_error", stage=stage, provider_code=data.get("code")
        )

    def request_access_token(self, url: str, *_args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Exchange the code by GET, the redirect URI unencoded; send a refresh as it is"""
        params = dict(kwargs.get("params") or {})
        if not params:  # a refresh
            return super().request_access_token(url, *_args, **kwargs)
        order = ("grant_type", "code", "redirect_uri", "client_id", "client_secret")
        query = "&".join(
            f"{name}={params[name] if name == 'redirect_uri' else quote(params[name], safe='')}"
            for name in order
            if params.get(name)
        )
        token = super().request_access_token(
            f"{url}?{query}", method="GET", headers={"Accept": "application/json"}
        )
        if isinstance(token.get("scope"), list):
            token["scope"] = " ".join(map(str, token["scope"]))
        return token

    def refresh_token_params(self, token: str, *_args: Any, **_kwargs: Any) -> dict[str, str]:
        return {
            "grant_type": "authorization_code",
            "refresh_token": token,
            "scope": " ".join(self.get_scope()),
        }

    def user_data(self, access_token: str, *_args: Any, **kwargs: Any) -> dict[str, Any]:
        """Create a key, pass it to API_KEY_STEP at once, and ask for the account that it belongs to"""
        keep_api_key = self._api_key_step()
        key = self._data(
            self.get_json(
                self.web_url(self.KEY_PATH),
                method="POST",
                headers={
                    "Authorization": f"bearer {access_token}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
        )
        if not all(key.get(name) for name in ("apiKey", "secret", "passphrase")):
            raise AuthResponseError(self, code="malformed_response", stage="user_info")
        keep_api_key(strategy=self.strategy, backend=self, user=kwargs["user"], api_key=key)
        info = self._data(
            self.get_json(
                f"{self.setting('REST_URL', self.REST_URL)}{self.KEY_INFO_PATH}",
                headers=self._signed(key, "GET", self.KEY_INFO_PATH),
            )
        )
        if not info.get("uid"):
            raise AuthResponseError(
                self, code="missing_claim", claim="uid", stage="user_info"
            )
        return {"uid": str(info["uid"]), "api_key": key["apiKey"]}

    def get_user_details(self, response):
        """KuCoin says nothing about the user"""
        return {}

    def _api_key_step(self) -> Any:
        path = self.setting("API_KEY_STEP")
        if not path:
            raise AuthConfigurationError(
                self, code="missing_setting", parameter="API_KEY_STEP", stage="user_info"
            )
        return module_member(path)

    def _data(self, envelope: dict[Any, Any]) -> dict[str, Any]:
        is_refused = envelope.get("success") is False or str(envelope.get("code")) not in {
            "200",
            "200000",
        }
        data = envelope.get("data")
        if is_refused or not isinstance(data, dict):
            raise AuthProviderError(
                self,
                code="http_error",
                stage="user_info",
                provider_code=cast("str", envelope.get("code")),
            )
        return data

    @staticmethod
    def _signed(key: dict[str, str], method: str, path: str) -> dict[str, str]:
        def sign(text: str) -> str:
            digest = hmac.digest(key["secret"].encode(), text.encode(), "sha256")
            return base64.b64encode(digest).decode()

        timestamp = str(int(time.time() * 1000))
        return {
            "KC-API-KEY": key["apiKey"],
            "KC-API-SIGN": sign(timestamp + method + path),
            "KC-API-TIMESTAMP": timestamp,
            "KC-API-PASSPHRASE": sign(key["passphrase"]),
            "KC-API-KEY-VERSION": "3",
        }
