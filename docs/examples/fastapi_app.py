"""Connect a KuCoin account from a FastAPI application."""

from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI, Request, Response
from starlette.config import Config
from starlette.middleware.sessions import SessionMiddleware

from authlib_kucoin import register_kucoin

config = Config()  # KUCOIN_CLIENT_ID, KUCOIN_SITE and SECRET_KEY from the environment
app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=config("SECRET_KEY"))
kucoin = register_kucoin(OAuth(config))


@app.post("/connect")
async def connect(request: Request) -> Response:
    return await kucoin.authorize_redirect(request, request.url_for("callback"))


@app.get("/callback")
async def callback(request: Request) -> str:
    key = await kucoin.create_api_key(token=await kucoin.authorize_access_token(request))
    return f"Account {(await kucoin.get_api_key_info(key)).uid} is connected"
