import json
from typing import Any
from urllib.parse import urlsplit

import responses

from social_core.actions import do_auth
from social_core.exceptions import AuthCanceled, AuthProviderError
from social_core.tests.models import User
from social_core.utils import get_querystring

from .oauth import BaseOAuthTest

KEPT: list[dict[str, Any]] = []


def keep_api_key(api_key: dict[str, Any], **_kwargs: Any) -> None:
    KEPT.append(api_key)


class KuCoinOAuth2Test(BaseOAuthTest):
    backend_path = "social_core.backends.kucoin.KuCoinOAuth2"
    raw_complete_url = "/complete/{0}/?code=foobar"
    expected_username = "foobar"
    access_token_body = json.dumps(
        {
            "access_token": "foobar",
            "token_type": "bearer",
            "expires_in": 3600,
            "refresh_token": "bar",
            "scope": ["OAUTH_CREATE_API"],
        }
    )
    key_body = json.dumps(
        {
            "success": True,
            "code": "200",
            "data": {"apiKey": "a-public-key", "secret": "s", "passphrase": "p"},
        }
    )
    key_info_body = json.dumps({"code": "200000", "data": {"uid": 165111215}})

    def setUp(self) -> None:
        super().setUp()
        self.backend.redirect_uri = "https://myapp.com/complete/kucoin/"
        KEPT.clear()

    def extra_settings(self) -> dict[str, str | list[str]]:
        return {
            "SOCIAL_AUTH_KUCOIN_KEY": "a-key",
            "SOCIAL_AUTH_KUCOIN_API_KEY_STEP": f"{__name__}.keep_api_key",
        }

    def start(self, user: User) -> dict[str, str]:
        url = do_auth(self.backend, user=user).url
        # The redirect URI is not encoded.
        self.assertIn(f"redirect_uri={self.backend.get_redirect_uri()}&", url)
        return get_querystring(url)

    def complete(self, user: User, **callback: str) -> Any:
        state = self.start(user)["state"]
        self.strategy.set_request_data({**callback, "state": state}, self.backend)
        responses.add(
            responses.GET, self.backend.access_token_url(), body=self.access_token_body
        )
        responses.add(
            responses.POST, self.backend.web_url(self.backend.KEY_PATH), body=self.key_body
        )
        responses.add(
            responses.GET,
            self.backend.REST_URL + self.backend.KEY_INFO_PATH,
            body=self.key_info_body,
        )
        return self.backend.complete(user=user)

    def test_association(self) -> None:
        user = User("existing")
        self.assertIs(self.complete(user, code="foobar"), user)
        token_call, key_call, info_call = responses.calls
        # By GET, the redirect URI raw, without a secret and without a body.
        self.assertTrue(urlsplit(token_call.request.url).query.startswith("grant_type="))
        self.assertIn(
            f"redirect_uri={self.backend.get_redirect_uri()}&",
            token_call.request.url,
        )
        self.assertIsNone(token_call.request.body)
        self.assertEqual(key_call.request.headers["Authorization"], "bearer foobar")
        self.assertEqual(info_call.request.headers["KC-API-KEY"], "a-public-key")
        self.assertEqual([key["secret"] for key in KEPT], ["s"])
        self.assertEqual([social.uid for social in user.social], ["165111215"])

    def test_cancel(self) -> None:
        with self.assertRaises(AuthCanceled):
            self.complete(User("existing"), code="40001", success="false", msg="cancelled")
        self.assertEqual(len(responses.calls), 0)

    def test_error_with_status_200(self) -> None:
        self.access_token_body = json.dumps({"success": False, "code": "1", "msg": "no"})
        with self.assertRaises(AuthProviderError):
            self.complete(User("existing"), code="foobar")
        self.assertEqual(KEPT, [])

    def test_key_refused(self) -> None:
        self.key_body = json.dumps({"success": False, "code": "1", "msg": "Repeated apiName"})
        with self.assertRaises(AuthProviderError):
            self.complete(User("existing"), code="foobar")
        self.assertEqual(KEPT, [])
