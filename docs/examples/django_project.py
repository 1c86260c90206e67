"""Connect a KuCoin account from a Django project, here a minimal one."""

import logging
import os
import sys

import django
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from authlib_kucoin import ApiKeyOutcomeUnknown, AuthorizationDenied, KuCoinError, register_kucoin

PAGE = """<!doctype html><title>KuCoin</title><p role="status">{}</p>
<form method="post" action="/connect"><input type="hidden" name="csrfmiddlewaretoken" value="{}">
<button>Connect KuCoin</button></form>"""

settings.configure(
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    AUTHLIB_OAUTH_CLIENTS={
        "kucoin": {
            "client_id": os.environ["KUCOIN_CLIENT_ID"],
            "site": os.environ["KUCOIN_SITE"],
        }
    },
)
django.setup()
kucoin = register_kucoin(OAuth())


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Show what happened last, and the button."""
    message = request.session.pop("message", "")
    return HttpResponse(format_html(PAGE, message, get_token(request)))


@require_POST
def connect(request: HttpRequest) -> HttpResponse:
    """Send the user to KuCoin."""
    return kucoin.authorize_redirect(request, request.build_absolute_uri("/callback"))


@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Complete the login, ask for a key, and send the user to the first page."""
    try:
        key = kucoin.create_api_key(token=kucoin.authorize_access_token(request))
        # KuCoin shows key.secret and key.passphrase this once: store them here, encrypted.
        message = f"Account {kucoin.get_api_key_info(key).uid} is connected"
    except KuCoinError as error:
        logging.getLogger("django.request").warning("KuCoin: %s", error)  # its text holds no secret
        message = told_to_users(error)
    request.session["message"] = message
    return HttpResponseRedirect("/")  # takes the code out of the address bar


def told_to_users(error: KuCoinError) -> str:
    """Return a message that says what to do next."""
    match error:
        case AuthorizationDenied():  # after Cancel, or with an old callback, for example
            return "No account was connected. Press the button to try again."
        case ApiKeyOutcomeUnknown():
            return (
                "KuCoin may have made a key that did not reach us. "
                "Delete it on KuCoin's API management page, then connect again."
            )
        case _:
            return "KuCoin did not answer as expected. Please try again in a minute."


urlpatterns = [path("", index), path("connect", connect), path("callback", callback)]
application = get_wsgi_application()

if __name__ == "__main__":  # python project.py runserver
    execute_from_command_line(sys.argv)
