"""``register_kucoin``, which chooses the app class for an ``OAuth`` object of Authlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, overload

from ._extras import load
from ._protocol.sites import Site

if TYPE_CHECKING:
    from authlib.integrations.django_client import DjangoOAuth2App
    from authlib.integrations.flask_client import FlaskOAuth2App
    from authlib.integrations.starlette_client import StarletteOAuth2App
    from flask import Flask

    from .django_client import KuCoinDjangoApp
    from .flask_client import KuCoinFlaskApp
    from .starlette_client import KuCoinStarletteApp

_APPS: Final = {
    "authlib.integrations.flask_client": ("flask_client", "KuCoinFlaskApp"),
    "authlib.integrations.starlette_client": ("starlette_client", "KuCoinStarletteApp"),
    "authlib.integrations.django_client": ("django_client", "KuCoinDjangoApp"),
}


# These protocols let a type checker choose the app class by Authlib's OAuth class, and so know
# whether its methods are awaited. mypy chooses by oauth2_client_cls. pyright sees that attribute as
# Any, so it chooses by the other attributes.
class _FlaskOAuth(Protocol):
    @property
    def oauth2_client_cls(self) -> type[FlaskOAuth2App]: ...
    @property
    def app(self) -> Flask | None: ...


class _StarletteOAuth(Protocol):
    @property
    def oauth2_client_cls(self) -> type[StarletteOAuth2App]: ...
    @property
    def config(self) -> Any: ...


class _DjangoOAuth(Protocol):
    @property
    def oauth2_client_cls(self) -> type[DjangoOAuth2App]: ...


@overload
def register_kucoin(
    oauth: _FlaskOAuth,
    name: str = ...,
    *,
    site: Site | str | None = ...,
    fast_api: int | None = ...,
    **options: Any,
) -> KuCoinFlaskApp: ...


@overload
def register_kucoin(
    oauth: _StarletteOAuth,
    name: str = ...,
    *,
    site: Site | str | None = ...,
    fast_api: int | None = ...,
    **options: Any,
) -> KuCoinStarletteApp: ...


@overload
def register_kucoin(
    oauth: _DjangoOAuth,
    name: str = ...,
    *,
    site: Site | str | None = ...,
    fast_api: int | None = ...,
    **options: Any,
) -> KuCoinDjangoApp: ...


def register_kucoin(
    oauth: Any,
    name: str = "kucoin",
    *,
    site: Site | str | None = None,
    fast_api: int | None = None,
    **options: Any,
) -> Any:
    """Register KuCoin with Authlib's ``OAuth`` for Flask, Starlette (FastAPI too) or Django.

    Args:
        oauth: The ``OAuth`` object. It can be initialised with the web application later.
        name: The name to register KuCoin under. The settings are named after it:
            ``KUCOIN_CLIENT_ID``, ``KUCOIN_CLIENT_SECRET``, ``KUCOIN_SITE``. (In Django they are in
            ``AUTHLIB_OAUTH_CLIENTS["kucoin"]``, as ``client_id`` and so on.)
        site: ``"eu"``, ``"global"``, ``"australia"``, a :class:`Site`, or a base URL. Taken from
            the settings if left out; there is no default.
        fast_api: The version of the Fast API, 1 or 2. Taken from the settings
            (``KUCOIN_FAST_API``) if left out, or else from the site: 2 for ``"global"``, that of a
            :class:`Site`, and 1 for any other.
        options: The options of Authlib's ``register``, such as ``client_id``, ``client_secret``,
            ``client_kwargs``, ``fetch_token``, ``update_token`` and ``overwrite``. With
            ``overwrite``, settings take precedence over arguments.

    Returns:
        The registered app, as ``oauth.register`` returns it.

    Raises:
        ConfigurationError: If an option, also one in ``client_kwargs``, is unknown or without
            effect, or ``fetch_token`` is wrong; the text says what to do instead. Most other
            values, such as ``site``, and options in the application's settings are checked only
            when they are used. So are all options if ``client_cls`` is a class of your own.
        TypeError: If ``oauth`` is not an ``OAuth`` of Authlib.
        ModuleNotFoundError: If the HTTP library (requests or httpx2) is not installed; the text
            says what to install.
    """
    own_class = _app_class(oauth)
    app_class = options.pop("client_cls", None) or own_class
    overwrite = bool(options.pop("overwrite", False))
    given = {"site": site, "fast_api": fast_api}
    options |= {name: value for name, value in given.items() if value is not None}
    # Authlib would write the options into the dict OAUTH_APP_CONFIG of the class, and another
    # registration would inherit them. So copy that dict here, and hide it from Authlib by a
    # _Creator.
    options = {**(app_class.OAUTH_APP_CONFIG or {}), **options}
    options = {k: dict(v) if isinstance(v, dict) else v for k, v in options.items()}
    options |= {"oauth": oauth, "settings_win": overwrite}
    if app_class is own_class:  # a subclass can know more options: it checks them at its first use
        own_class(None, name, **options).refuse_options_without_effect()
    # Otherwise Authlib would keep returning an app that was registered under this name before.
    oauth._clients.pop(name, None)
    return oauth.register(name, overwrite, client_cls=_Creator(app_class), **options)


class _Creator:
    """Given to Authlib in the place of an app class. Authlib calls it to create the app."""

    OAUTH_APP_CONFIG: Final = None

    def __init__(self, app_class: Any) -> None:
        self._app_class = app_class

    def __call__(self, framework: Any, name: str, **options: Any) -> Any:
        return self._app_class(framework, name, **options)


def _app_class(oauth: Any) -> Any:
    for parent in oauth.__class__.__mro__:  # not type(oauth): oauth can be a LocalProxy
        if parent.__module__ in _APPS:
            module, name = _APPS[parent.__module__]
            return getattr(load(module), name)
    raise TypeError(
        f"{oauth!r} is not an OAuth object of Authlib for {', '.join(map(_framework, _APPS))}."
    )


def _framework(module: str) -> str:
    return module.rsplit(".", 1)[1].removesuffix("_client").capitalize()
