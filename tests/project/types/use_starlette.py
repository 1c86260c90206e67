"""Type-checked, not run: the provider in Starlette, also with a forgotten `await`."""

from typing import assert_type

from authlib.integrations.starlette_client import OAuth
from starlette.requests import Request
from starlette.responses import Response

from authlib_kucoin import ApiKey, ApiKeyInfo, AsyncKuCoinOAuth2Client, KuCoinToken, register_kucoin

kucoin = register_kucoin(OAuth(), site="eu", client_id="broker")


async def connect(request: Request) -> Response:
    """Send the user to KuCoin."""
    return await kucoin.authorize_redirect(request, request.url_for("callback"))


async def callback(request: Request) -> str:
    """Complete the login."""
    token = await kucoin.authorize_access_token(request)
    assert_type(token, KuCoinToken)
    key = await kucoin.create_api_key(token=token)
    assert_type(key, ApiKey)
    assert_type(await kucoin.get_api_key_info(key), ApiKeyInfo)
    assert_type(await kucoin.validate_access_token(token), bool)
    assert_type(await kucoin.refresh_access_token(token), KuCoinToken)
    return key.api_name


async def forgetful(request: Request) -> str:
    """Forget `await`: each use of a result is an error for mypy and pyright."""
    token = kucoin.authorize_access_token(request)
    token["access_token"]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    key = kucoin.create_api_key(token=token)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return key.api_name  # type: ignore[attr-defined, no-any-return]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]


async def forgetful_client(client: AsyncKuCoinOAuth2Client) -> str:
    """Forget `await` with a client."""
    key = client.create_api_key()
    return key.api_name  # type: ignore[attr-defined, no-any-return]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
