"""KuCoin for python-social-auth: connects a KuCoin account to a user who is signed in.

KuCoin has no user-info endpoint, so nobody can sign in with KuCoin alone. Only the answer to a
request that is signed with an API key tells whose account it is, so a key has to be created first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from social_core.backends.base import BaseAuth, ResponseT_co
from social_core.backends.oauth import BaseOAuth2
from social_core.exceptions import (
    AuthCanceled,
    AuthConfigurationError,
    AuthInputError,
    ErrorStage,
)
from social_core.storage import UserProtocol
from social_core.utils import module_member, user_agent

from ._apps.logins import LOGINS_AT_ONCE
from ._clients.preconditions import check_function
from ._errors import AuthorizationDenied, ConfigurationError
from ._models import KuCoinToken
from ._protocol.callback import read_callback
from ._protocol.permissions import api_key_body
from ._social.errors import social_errors
from .requests_client import KuCoinOAuth2Session

__all__ = ["KuCoinOAuth2"]

# social-core makes a new backend for each web request. All backends share these connections.
_POOL: Final = KuCoinOAuth2Session.new_pool({})
# For some arguments of KuCoinOAuth2Session, the settings that can give the argument. The first
# setting with a true value counts. If none has a true value, the first setting's value is used.
_SESSION_SETTINGS: Final = {
    "proxies": ("PROXIES",),
    "timeout": ("REQUESTS_TIMEOUT", "URLOPEN_TIMEOUT"),
    "total_timeout": ("TOTAL_TIMEOUT",),
    "verify": ("VERIFY_SSL",),
}
# Attributes that subclasses of other backends can change. A change is refused here, because our
# requests to KuCoin do not depend on them.
_UNUSED: Final = (
    "ACCESS_TOKEN_METHOD",
    "ACCESS_TOKEN_PAYLOAD",
    "REDIRECT_STATE",
    "REFRESH_TOKEN_METHOD",
    "RESPONSE_TYPE",
    "SCOPE_PARAMETER_NAME",
    "SCOPE_SEPARATOR",
    "STATE_PARAMETER",
    "USE_BASIC_AUTH",
    "auth_complete_credentials",
    "auth_complete_params",
    "auth_headers",
    "auth_params",
    "get_json",
    "get_querystring",
    "get_scope_argument",
    "get_session_state",
    "process_refresh_token_response",
    "refresh_token_auth",
    "refresh_token_params",
    "request",
    "use_basic_auth",
    "validate_state",
)


class KuCoinOAuth2(BaseOAuth2[ResponseT_co]):
    """Connects a KuCoin account to a user who is already signed in (document sections 4 and 7).

    The settings:

    * ``SOCIAL_AUTH_KUCOIN_KEY``: the client id.
    * ``SOCIAL_AUTH_KUCOIN_SECRET``: the client secret. Sent only if set: the document's
      parameter table has none.
    * ``SOCIAL_AUTH_KUCOIN_SITE``: ``"eu"``, ``"global"``, ``"australia"``, a base URL, or an
      :class:`authlib_kucoin.Site`. There is no default.
    * ``SOCIAL_AUTH_KUCOIN_FAST_API``: 1 or 2; the site's version by default.
    * ``SOCIAL_AUTH_KUCOIN_PERMISSIONS``: with Fast API 2, the permissions to ask for.
    * ``SOCIAL_AUTH_KUCOIN_API_KEY_STEP``: the import path of a function of yours that stores a new
      key. It is called as soon as KuCoin has created the key. Without this setting, a step of your
      pipeline has to store the key from ``response["credentials"]``; the risk of that is described
      below.
    * ``SOCIAL_AUTH_KUCOIN_EXTRA_DATA``: the fields to store in ``extra_data``, in plain text.
      Fields of the key: ``uid``, ``api_key`` (its public half), ``api_name``, ``permissions``,
      ``ip_whitelist``, ``is_master``, ``sub_name``. Fields of the token: ``access_token``,
      ``refresh_token``, ``expires_in``, ``expires_at``, ``refresh_expires_at``, ``scope``. Empty
      by default. The pipeline sees only those fields of the token that are in this setting
      (``expires_in`` brings ``expires_at`` with it). ``UserSocialAuth.get_access_token`` needs
      ``["access_token", "refresh_token", "expires_in"]``.
    * ``…_SCOPE``, ``…_REQUESTS_TIMEOUT`` (10 s), ``…_PROXIES``, ``…_VERIFY_SSL``,
      ``…_USER_AGENT``, ``…_AUTHORIZATION_URL``, ``…_ACCESS_TOKEN_URL``: as in other OAuth backends.
      ``…_TOTAL_TIMEOUT`` (20 s) is the limit for each whole call.
      ``…_AUTH_EXTRA_ARGUMENTS`` is refused if it has a parameter that KuCoin's login page lacks.

    **The key.** KuCoin shows the secret of a key only once, and only a request that is signed with
    the key tells whose account it is. So the function in ``API_KEY_STEP`` gets the
    :class:`authlib_kucoin.ApiKey` before anything else can fail. Then neither the pipeline nor
    ``extra_data`` nor the session holds the secret or the passphrase. If something fails after it
    (KuCoin does not describe the key, the account is another user's, the process dies), the
    database row that your function wrote stays as it is. So write the row as *pending*, and let the
    last step of the pipeline mark it as *connected*: that step finds the public half of the key in
    ``response["api_key"]``. Commit the row at once, so that no later failure undoes it. Inside the
    transaction of ``ATOMIC_REQUESTS`` this cannot be done: there ``durable=True`` raises an error,
    and the new key is lost. So switch ``ATOMIC_REQUESTS`` off for the view that serves callbacks.

    Examples:
        ::

            @transaction.atomic(durable=True)
            def keep_api_key(user, api_key, **kwargs):
                ApiKeyRow.objects.create(
                    user=user,
                    api_key=api_key.api_key,
                    credentials=encrypt(api_key.secret, api_key.passphrase),
                    state="pending",
                )

            def approve_api_key(user, uid, response, **kwargs):
                ApiKeyRow.objects.filter(user=user, api_key=response["api_key"]).update(
                    uid=uid, state="connected"
                )

            SOCIAL_AUTH_KUCOIN_API_KEY_STEP = "accounts.kucoin.keep_api_key"
            SOCIAL_AUTH_KUCOIN_PIPELINE = (
                *DEFAULT_AUTH_PIPELINE,
                "accounts.kucoin.approve_api_key",
            )

    Without ``API_KEY_STEP``, the pipeline gets the :class:`authlib_kucoin.ApiKey` in
    ``response["credentials"]``. If something fails before your step of the pipeline (KuCoin does
    not describe the key, the account is another user's), the secret is lost. An ``ApiKey`` cannot
    be written as JSON, so a partial pipeline that halts before your step fails and stores no
    secret.

    For each error of this package, an error of social-core is raised, with the package's error as
    its ``__cause__``. The ``detail`` of social-core's error begins with the text of the package's
    error. Neither text holds a secret.
    """

    name = "kucoin"
    title = "KuCoin"
    ASSOCIATION_ONLY = True
    ID_KEY = "uid"
    REDIRECT_STATE = False  # the redirect URI gets no further parameter
    ACCESS_TOKEN_METHOD = "GET"

    def authorization_url(self) -> str:
        """Return the setting or attribute ``AUTHORIZATION_URL``, or else the site's login page."""
        with social_errors(self, "begin"):
            return super().authorization_url() or self._client().site.authorization_endpoint

    def access_token_url(self) -> str:
        """Return the setting or attribute ``ACCESS_TOKEN_URL``, or the site's token endpoint."""
        with social_errors(self, "token_exchange"):
            return super().access_token_url() or self._client().site.token_endpoint

    def refresh_token_url(self) -> str:
        """Return the attribute ``REFRESH_TOKEN_URL``, or else the site's refresh endpoint."""
        with social_errors(self, "refresh"):
            return self.REFRESH_TOKEN_URL or self._client().site.refresh_endpoint

    def auth_url(self) -> str:
        """Return the URL of the login page, with the redirect URI unencoded in it.

        The document's section 7.1 describes this URL.
        """
        with social_errors(self, "begin"):
            url, _ = self._checked_client("begin").create_authorization_url(
                self.authorization_url(),
                **{**self.auth_extra_arguments(), "state": self.get_or_create_state()},
            )
        return url

    def prepare_auth(self, user: UserProtocol | None = None) -> None:
        """Begin a login. Keep up to four earlier unfinished logins; social-core would keep none."""
        begun = self._logins()
        super().prepare_auth(user)
        self._keep_logins([*begun, *self._logins()[-1:]][-LOGINS_AT_ONCE:])

    def validate_association_state(
        self, request_state: Any, user: UserProtocol | None = None
    ) -> str:
        """Check that the callback belongs to an unfinished login of the user; remove that login."""
        self._refuse_other_methods()
        logins = self._logins()
        # Move the matching login to the end: social-core checks the state and user of the last one.
        logins.sort(key=lambda login: login.get("state") == request_state)
        self._keep_logins(logins)
        state = super().validate_association_state(request_state, user)
        self._keep_logins(logins[:-1])
        return state

    def _logins(self) -> list[Any]:
        """Return the unfinished logins in the session.

        social-core itself stores and reads only the last one.
        """
        earlier = self.strategy.session_get(f"{self.name}_earlier_states") or []
        newest = self.strategy.session_get(f"{self.name}_state")
        return [*earlier, newest] if newest else [*earlier]

    def _keep_logins(self, logins: list[Any]) -> None:
        if logins:
            self.strategy.session_set(f"{self.name}_earlier_states", logins[:-1])
            self.strategy.session_set(f"{self.name}_state", logins[-1])
        else:
            self.strategy.session_pop(f"{self.name}_earlier_states")
            self.strategy.session_pop(f"{self.name}_state")

    def process_error(self, data: Any, *, stage: ErrorStage = "callback") -> None:
        """Raise if an answer holds an error, or if a callback reports a refusal or is not valid.

        Document section 7.1 describes the form of a callback.
        """
        super().process_error(data, stage=stage)
        # If a subclass's process_error has no ``stage``, token answers arrive here as callbacks.
        if stage == "callback" and not isinstance(data, KuCoinToken):
            self._code_of(data)

    def request_access_token(self, url: str, *_args: Any, **_kwargs: Any) -> dict[Any, Any]:
        """Exchange the callback's code for a token (document section 7.2)."""
        # The callback is checked again here, because a subclass can override process_error.
        code = self._code_of(self.data)
        with social_errors(self, "token_exchange"):
            token = self._checked_client("token_exchange").fetch_token(url, code=code)
        # This calls process_error, which a subclass can override to check the token.
        self._process_error(token, stage="token_exchange")
        return token

    def _code_of(self, data: Any) -> str:
        try:
            return read_callback(_pairs(data)).code()
        except AuthorizationDenied as error:
            # Only a callback with an error code or message counts as a refusal of the login.
            kind = AuthCanceled if error.code or error.msg else AuthInputError
            raise kind(self, error, stage="callback", provider_code=error.code) from error

    def _refuse_other_methods(self) -> None:
        """Raise for a callback by another method than GET and POST, such as HEAD."""
        request = getattr(self.strategy, "request", None)  # not every strategy has a request
        if getattr(request, "method", None) not in {None, "GET", "POST"}:
            raise AuthInputError(
                self,
                "The callback has to be opened with GET or POST. Nothing of this request was used.",
                parameter="method",
                stage="callback",
            )

    def do_auth(self, access_token: str, *args: Any, **kwargs: Any) -> Any:
        """Create a key, and run the pipeline.

        The pipeline's ``response`` holds only those fields of the token that ``EXTRA_DATA`` names
        (with ``expires_in`` also ``expires_at``), because ``response`` can be stored in a database,
        for example by a partial pipeline.
        """
        entries = [*(self.EXTRA_DATA or ()), *(self.setting("EXTRA_DATA") or ())]
        asked_for = {entry if isinstance(entry, str) else entry[0] for entry in entries}
        token = {"access_token": access_token, **(kwargs.get("response") or {})}
        kwargs["response"] = KuCoinToken(
            # If this entry were missing, social-core would add the access token.
            {"access_token": None} | {k: v for k, v in token.items() if k in asked_for}
        )
        return super().do_auth(access_token, *args, **kwargs)

    def user_data(self, access_token: str, *_args: Any, **kwargs: Any) -> dict[str, Any]:
        """Create an API key (document section 4); return the account and the key's public data.

        If ``API_KEY_STEP`` is set, the function that it names gets the key. Otherwise the result
        holds the key.
        """
        keep_api_key = self._api_key_step("user_info")
        user = kwargs["user"] if keep_api_key else None
        with social_errors(self, "user_info"):
            client = self._client()
            key = client.create_api_key(access_token, permissions=self.setting("PERMISSIONS"))
        if keep_api_key:
            keep_api_key(strategy=self.strategy, backend=self, user=user, api_key=key)
        with social_errors(self, "user_info"):
            info = client.get_api_key_info(key)
        return {
            **({} if keep_api_key else {"credentials": key}),
            "uid": info.uid,
            "api_key": key.api_key,
            "api_name": key.api_name,
            "permissions": sorted(info.permissions),
            "ip_whitelist": list(info.ip_whitelist),
            "is_master": info.is_master,
            "sub_name": info.sub_name,
        }

    def get_user_details(self, response: Any) -> dict[str, Any]:  # noqa: ARG002 - as inherited
        """Return an empty dict, because KuCoin tells no name or e-mail address of the user."""
        return {}

    def extra_data(
        self,
        user: UserProtocol | None,
        uid: str,
        response: dict[str, Any],
        details: dict[str, Any],
        pipeline_kwargs: dict[str, Any],
    ) -> dict[str, Any]:
        """Return the fields that ``EXTRA_DATA`` names, and social-core's ``auth_time``.

        With ``GET_ALL_EXTRA_DATA``, return all fields of ``response``. The ``extra_data`` of
        social-core's OAuth backends is not called, because it adds the access token.
        """
        return BaseAuth.extra_data(self, user, uid, response, details, pipeline_kwargs)

    def refresh_token(self, token: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Exchange a refresh token for a new token pair (document section 7.3).

        If several threads of a process refresh the same token at the same time, they share one
        request.
        """
        with social_errors(self, "refresh"):
            if args:
                raise ConfigurationError("A refresh has one argument: the refresh token.")
            fresh = self._client().refresh_token(self.refresh_token_url(), token, **kwargs)
        self._process_error(fresh, stage="refresh")
        self.get_access_token(fresh)  # a subclass can override it to check the token
        return fresh

    def _checked_client(self, stage: ErrorStage) -> KuCoinOAuth2Session:
        """Return a client, after checking ``API_KEY_STEP`` and ``PERMISSIONS`` as well.

        Otherwise a wrong value of either setting would be noticed only when a key is to be created.
        """
        self._api_key_step(stage)
        client = self._client()
        api_key_body(client.site, self.setting("PERMISSIONS"))
        return client

    def _client(self) -> KuCoinOAuth2Session:
        for name in _UNUSED:
            if getattr(type(self), name) != getattr(KuCoinOAuth2, name) or name in vars(self):
                raise ConfigurationError(
                    f"Leave {name} as {KuCoinOAuth2.__module__} has it: KuCoin's calls do not use "
                    "it, so a change has no effect."
                )
        options = {
            option: next(filter(None, map(self.setting, names)), self.setting(names[0]))
            for option, names in _SESSION_SETTINGS.items()
        }
        client_id, client_secret = self.get_key_and_secret()
        session = KuCoinOAuth2Session(
            client_id,
            client_secret,
            site=self.setting("SITE"),
            fast_api=self.setting("FAST_API"),
            redirect_uri=self.get_redirect_uri(),
            scope=self.get_scope(),
            adapter=_POOL,
            **{option: value for option, value in options.items() if value is not None},
        )
        if self.SEND_USER_AGENT:
            session.headers["User-Agent"] = self.setting("USER_AGENT") or user_agent()
        return session

    def _api_key_step(self, stage: ErrorStage) -> Callable[..., object] | None:
        path = self.setting("API_KEY_STEP")
        if not path:
            return None
        try:
            step: Callable[..., object] = module_member(path)  # type: ignore[no-untyped-call]  # untyped in social-core
            # Check the function's parameters now: if its call failed later, the key would be lost.
            names = ("strategy", "backend", "user", "api_key")
            check_function(step, "API_KEY_STEP", takes=0, keywords=names)
        except (ImportError, AttributeError, ValueError) as error:
            found = isinstance(error, ConfigurationError)
            raise AuthConfigurationError(
                self,
                str(error) if found else f"There is no function {path!r}: correct API_KEY_STEP.",
                code="invalid_setting",
                parameter="API_KEY_STEP",
                stage=stage,
            ) from error
        return step


def _pairs(data: Any) -> Iterable[tuple[str, str]]:
    """Return every parameter as a pair, and a repeated one as often as ``data`` holds it."""
    if hasattr(data, "lists"):  # Django's and Werkzeug's objects have it, and keep repeated names
        return [(name, value) for name, values in data.lists() for value in values]
    pairs: Iterable[tuple[str, str]] = data.items()
    return pairs
