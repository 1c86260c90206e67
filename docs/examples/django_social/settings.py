"""A Django project whose users connect their KuCoin account through python-social-auth.

It reads SECRET_KEY, DATABASE, KUCOIN_CLIENT_ID, KUCOIN_SITE and KUCOIN_VAULT_KEYS from the
environment.
"""

import os
from pathlib import Path

from social_core.pipeline import DEFAULT_AUTH_PIPELINE

HERE = Path(__file__).parent

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "social_django",
    "accounts",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    # Turns an error of social-core's into a message for the user.
    "social_django.middleware.SocialAuthExceptionMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "authlib_kucoin.social.KuCoinOAuth2",
]
SOCIAL_AUTH_LOGIN_ERROR_URL = "home"
SOCIAL_AUTH_RAISE_EXCEPTIONS = False  # also with DEBUG, show a message after Cancel
SOCIAL_AUTH_KUCOIN_KEY = os.environ["KUCOIN_CLIENT_ID"]
SOCIAL_AUTH_KUCOIN_SITE = os.environ["KUCOIN_SITE"]
SOCIAL_AUTH_KUCOIN_API_KEY_STEP = "accounts.kucoin.keep_api_key"
SOCIAL_AUTH_KUCOIN_PIPELINE = [*DEFAULT_AUTH_PIPELINE, "accounts.kucoin.approve_api_key"]

# Keys from cryptography.fernet.Fernet.generate_key(). The first encrypts; each of them can decrypt.
KUCOIN_VAULT_KEYS = os.environ["KUCOIN_VAULT_KEYS"].split()
