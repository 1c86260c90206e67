"""KuCoin in Starlette and FastAPI: the app that ``register_kucoin`` registers."""

from __future__ import annotations

from typing import Any

from authlib.integrations.starlette_client import StarletteOAuth2App
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import RedirectResponse

from ._apps.async_app import AsyncApp
from ._models import KuCoinToken
from .httpx_client import AsyncKuCoinOAuth2Client


class KuCoinStarletteApp(AsyncApp, StarletteOAuth2App):
    """The app that ``register_kucoin`` returns for Starlette or FastAPI."""

    client_cls: type[AsyncKuCoinOAuth2Client] = AsyncKuCoinOAuth2Client

    async def authorize_redirect(
        self,
        request: Request,
        redirect_uri: str | URL | None = None,
        **params: Any,
    ) -> RedirectResponse:
        """Return a redirect to KuCoin's login page, and store the login in the browser's session.

        Args:
            request: The current request.
            redirect_uri: The callback address, exactly as registered with KuCoin. It is sent
                unencoded. If left out, ``client_kwargs["redirect_uri"]`` is used.
            params: ``state`` (random if left out) and ``scope``.

        Raises:
            UnsafeRedirectURI: If the redirect URI is missing, is not an absolute https URL (http is
                for loopback only), or cannot be sent unencoded.
            ConfigurationError: If a setting is missing or wrong, or KuCoin's login page has no
                parameter of a name in ``params``.
        """
        response: RedirectResponse = await super().authorize_redirect(
            request, redirect_uri, **params
        )
        return response

    async def authorize_access_token(self, request: Request, **params: Any) -> KuCoinToken:
        """Check the callback in a request and exchange its code for a token.

        Args:
            request: The request of the callback.
            params: Parameters for ``fetch_access_token``; normally none.

        Raises:
            AuthorizationDenied: If the login was refused or the callback cannot be used.
            TokenError: If KuCoin refused the code.
            KuCoinUnavailable: If KuCoin could not be reached, is failing or gets too many requests.
            MalformedResponse: If KuCoin's answer is not a token.
            ConfigurationError: If a setting is missing or wrong, or KuCoin's token call has no
                parameter of a name in ``params``.
        """
        pairs = request.query_params.multi_items()
        method = request.scope.get("method")  # request.method would raise if there is none
        if method == "POST":
            async with request.form() as form:
                pairs += [(name, str(value)) for name, value in form.multi_items()]
        return await self._exchange_callback(request.session, pairs, method, params)
