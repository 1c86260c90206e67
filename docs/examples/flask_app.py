"""Connect a KuCoin account from a Flask application."""

from authlib.integrations.flask_client import OAuth
from flask import Flask, flash, redirect, render_template_string, url_for
from werkzeug.wrappers import Response

from authlib_kucoin import ApiKeyOutcomeUnknown, AuthorizationDenied, KuCoinError, register_kucoin

PAGE = """<!doctype html><title>KuCoin</title>
{% for message in get_flashed_messages() %}<p role="status">{{ message }}</p>{% endfor %}
<form method="post" action="{{ url_for('connect') }}"><button>Connect KuCoin</button></form>"""

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_SECRET_KEY, FLASK_KUCOIN_CLIENT_ID, FLASK_KUCOIN_SITE
kucoin = register_kucoin(OAuth(app))


@app.get("/")
def index() -> str:
    """Show what happened last, and the button."""
    return render_template_string(PAGE)


@app.post("/connect")
def connect() -> Response:
    """Send the user to KuCoin."""
    return kucoin.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback() -> Response:
    """Complete the login, ask for a key, and send the user to the first page."""
    token = kucoin.authorize_access_token()
    key = kucoin.create_api_key(token=token)
    # KuCoin shows key.secret and key.passphrase this once: store them here, encrypted.
    info = kucoin.get_api_key_info(key)
    flash(f"Account {info.uid} is connected: {', '.join(sorted(info.permissions))}")
    return redirect(url_for("index"), 303)


@app.errorhandler(KuCoinError)
def kucoin_failed(error: KuCoinError) -> Response:
    """Tell the user what to do next. The redirect takes the code out of the address bar."""
    app.logger.warning("KuCoin: %s", error)  # its text holds no secret
    match error:
        case AuthorizationDenied():  # after Cancel, or with an old callback, for example
            flash("No account was connected. Press the button to try again.")
        case ApiKeyOutcomeUnknown():
            flash(
                "KuCoin may have made a key that did not reach us. "
                "Delete it on KuCoin's API management page, then connect again."
            )
        case _:
            flash("KuCoin did not answer as expected. Please try again in a minute.")
    return redirect(url_for("index"), 303)
