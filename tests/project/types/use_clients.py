"""Type-checked, not run: the clients in scripts and workers."""

from typing import assert_type

from authlib_kucoin import (
    ApiKey,
    ApiKeyInfo,
    AsyncKuCoinOAuth2Client,
    KuCoinOAuth2Client,
    KuCoinOAuth2Session,
    KuCoinToken,
    Site,
)


def work(client: KuCoinOAuth2Session | KuCoinOAuth2Client) -> None:
    """Use a blocking client."""
    assert_type(client.create_authorization_url(state="s"), tuple[str, str])
    token = client.fetch_token(code="c")
    assert_type(token, KuCoinToken)
    assert_type(token["access_token"], str)
    assert_type(token["expires_at"], int)
    assert_type(token.get("refresh_token"), str | None)
    assert_type(token.get("refresh_expires_at"), int | None)
    assert_type(client.refresh_token(), KuCoinToken)
    assert_type(client.refresh_token(scope="OAUTH_CREATE_API"), KuCoinToken)
    assert_type(client.validate_access_token(), bool)
    key = client.create_api_key()
    assert_type(key, ApiKey)
    assert_type(client.get_api_key_info(key), ApiKeyInfo)


async def work_async(client: AsyncKuCoinOAuth2Client) -> None:
    """Use the async client."""
    assert_type(client.create_authorization_url(state="s"), tuple[str, str])
    assert_type(await client.fetch_token(code="c"), KuCoinToken)
    assert_type(await client.refresh_token(), KuCoinToken)
    assert_type(await client.validate_access_token(), bool)
    key = await client.create_api_key()
    assert_type(key, ApiKey)
    assert_type(await client.get_api_key_info(key), ApiKeyInfo)


def main() -> None:
    """Create the clients."""
    site = Site("https://www.kucoin.com", rest="https://api.kucoin.com")
    with KuCoinOAuth2Session("broker", site=site, timeout=5.0) as session:
        work(session)
    with KuCoinOAuth2Client("broker", site="eu") as client:
        work(client)
