"""Connect a KuCoin account from a Django project, here the least possible one."""

import os

import django
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from authlib_kucoin import register_kucoin

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


@require_POST
def connect(request: HttpRequest) -> HttpResponse:
    """Send the user to KuCoin."""
    return kucoin.authorize_redirect(request, request.build_absolute_uri("/callback"))


def callback(request: HttpRequest) -> HttpResponse:
    """Take the user back and ask for a key."""
    key = kucoin.create_api_key(token=kucoin.authorize_access_token(request))
    return HttpResponse(f"Account {kucoin.get_api_key_info(key).uid} is connected")


urlpatterns = [path("connect", connect), path("callback", callback)]
application = get_wsgi_application()
