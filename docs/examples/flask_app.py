"""Connect a KuCoin account from a Flask application."""

from authlib.integrations.flask_client import OAuth
from flask import Flask, url_for
from werkzeug.wrappers import Response

from authlib_kucoin import register_kucoin

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY, FLASK_KUCOIN_CLIENT_ID, FLASK_KUCOIN_SITE
kucoin = register_kucoin(OAuth(app))


@app.post("/connect")
def connect() -> Response:
    """Send the user to KuCoin."""
    return kucoin.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback() -> str:
    """Take the user back and ask for a key."""
    token = kucoin.authorize_access_token()
    key = kucoin.create_api_key(token=token)  # its secret comes only now: store it encrypted
    info = kucoin.get_api_key_info(key)
    return f"Account {info.uid} is connected: {', '.join(sorted(info.permissions))}"
