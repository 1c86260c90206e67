"""Connect a KuCoin account from a FastAPI application."""

import logging

from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.config import Config
from starlette.middleware.sessions import SessionMiddleware

from authlib_kucoin import ApiKeyOutcomeUnknown, AuthorizationDenied, KuCoinError, register_kucoin

PAGE = """<!doctype html><title>KuCoin</title><p role="status">{}</p>
<form method="post" action="/connect"><button>Connect KuCoin</button></form>"""

config = Config()  # KUCOIN_CLIENT_ID, KUCOIN_SITE and SECRET_KEY from the environment
app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=config("SECRET_KEY"))
kucoin = register_kucoin(OAuth(config))


@app.get("/")
async def index(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE.format(request.session.pop("message", "")))


@app.post("/connect")
async def connect(request: Request) -> Response:
    return await kucoin.authorize_redirect(request, request.url_for("callback"))


@app.get("/callback")
async def callback(request: Request) -> Response:
    key = await kucoin.create_api_key(token=await kucoin.authorize_access_token(request))
    # KuCoin shows key.secret and key.passphrase this once: store them here, encrypted.
    info = await kucoin.get_api_key_info(key)
    return back(request, f"Account {info.uid} is connected")


@app.exception_handler(KuCoinError)
async def kucoin_failed(request: Request, error: KuCoinError) -> Response:
    logging.getLogger("uvicorn.error").warning("KuCoin: %s", error)  # its text holds no secret
    match error:
        case AuthorizationDenied():  # after Cancel, or with an old callback, for example
            return back(request, "No account was connected. Press the button to try again.")
        case ApiKeyOutcomeUnknown():
            return back(
                request,
                "KuCoin may have made a key that did not reach us. "
                "Delete it on KuCoin's API management page, then connect again.",
            )
        case _:
            return back(request, "KuCoin did not answer as expected. Try again in a minute.")


def back(request: Request, message: str) -> Response:
    request.session["message"] = message
    return RedirectResponse("/", 303)  # takes the code out of the address bar
