"""KuCoin for python-social-auth: connects a KuCoin account to a user who is signed in.

KuCoin has no user-info, so nobody can log in with it. The new API key tells whose account it is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

from social_core.backends.base import BaseAuth, ResponseT_co
from social_core.backends.oauth import BaseOAuth2
from social_core.exceptions import (
    AuthCanceled,
    AuthConfigurationError,
    AuthCredentialError,
    AuthInputError,
    AuthProviderError,
    AuthResponseError,
    ErrorStage,
    SocialAuthBaseException,
)
from social_core.storage import UserProtocol
from social_core.utils import module_member, setting_name, user_agent

from ._apps.logins import LOGINS_AT_ONCE
from ._clients.preconditions import check_function
from ._errors import (
    ApiKeyError,
    ApiKeyOutcomeUnknown,
    AuthorizationDenied,
    ConfigurationError,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    ReauthorizationRequired,
    TokenError,
    UnsafeRedirectURI,
)
from ._models import KuCoinToken
from ._protocol.callback import read_callback
from ._protocol.permissions import api_key_body
from .requests_client import KuCoinOAuth2Session

__all__ = ["KuCoinOAuth2"]

# A backend lives for one request; the connections outlive it.
_POOL: Final = KuCoinOAuth2Session.new_pool({})
# Settings of social-core that apply to KuCoin's calls too. The first one that is set counts.
_SESSION_SETTINGS: Final = {
    "proxies": ("PROXIES",),
    "timeout": ("REQUESTS_TIMEOUT", "URLOPEN_TIMEOUT"),
    "total_timeout": ("TOTAL_TIMEOUT",),
    "verify": ("VERIFY_SSL",),
}
# social-core's codes by why there was no answer.
_FAILURES: Final = {"timeout": "timeout", "tls": "tls_error"}
# Attributes that a subclass of another backend may change. Here they have no effect.
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
    "process_refresh_token_response",
    "refresh_token_auth",
    "refresh_token_params",
    "request",
    "use_basic_auth",
)


class KuCoinOAuth2(BaseOAuth2[ResponseT_co]):
    """KuCoin, to be connected to a user who is signed in already (sections 4 and 7).

    The settings:

    * ``SOCIAL_AUTH_KUCOIN_KEY``: the client id.
    * ``SOCIAL_AUTH_KUCOIN_SECRET``: the client secret. Sent only if set: the document's
      parameter table has none.
    * ``SOCIAL_AUTH_KUCOIN_SITE``: ``"eu"``, ``"global"``, ``"australia"``, a base URL, or an
      :class:`authlib_kucoin.Site`. There is no default.
    * ``SOCIAL_AUTH_KUCOIN_API_KEY_STEP``: the path of a function of yours that keeps a new key
      before anything else happens. Without it a step of your pipeline has to take the key from
      ``response["credentials"]``; see below for what that risks.
    * ``SOCIAL_AUTH_KUCOIN_EXTRA_DATA``: what ``extra_data`` is to hold, in plain text. Of the
      key: ``uid``, ``api_key`` (its public half), ``api_name``, ``permissions``,
      ``ip_whitelist``, ``is_master``, ``sub_name``. Of the token: ``access_token``,
      ``refresh_token``, ``expires_in``, ``expires_at``, ``refresh_expires_at``, ``scope``.
      Empty by default: a token that is not named here goes no further than this class.
      ``UserSocialAuth.get_access_token`` needs ``["access_token", "refresh_token",
      "expires_in"]``.
    * ``…_SCOPE``, ``…_REQUESTS_TIMEOUT`` (10 s), ``…_PROXIES``, ``…_VERIFY_SSL``,
      ``…_USER_AGENT``, ``…_AUTHORIZATION_URL``, ``…_ACCESS_TOKEN_URL``: as everywhere.
      ``…_AUTH_EXTRA_ARGUMENTS`` is refused, because KuCoin's login page has no other parameters.

    **The key.** KuCoin shows a key's secret once. Only a request that is signed with the key
    tells whose account it is. So your step gets the :class:`authlib_kucoin.ApiKey` before anything
    else can fail; neither the pipeline nor ``extra_data`` nor the session ever see it. What
    fails afterwards (KuCoin does not describe the key, the account is another user's, the
    process dies) leaves the row as your step wrote it, so write it as *pending*, and let the
    last step of the pipeline, which finds the key's public half in the response, approve it.
    Commit at once: under ``ATOMIC_REQUESTS`` a later failure would take the row back.

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

    Without that setting the :class:`authlib_kucoin.ApiKey` goes through the pipeline in
    ``response["credentials"]``, and what fails before your step (KuCoin does not describe the
    key, the account is another user's) loses its secret. It cannot be serialised: a partial
    pipeline before your step fails rather than write it down.

    Every error is social-core's own, with ours as its ``__cause__`` and our text, which says
    what to do next, as its ``detail``. Neither holds a secret.
    """

    name = "kucoin"
    title = "KuCoin"
    ASSOCIATION_ONLY = True
    ID_KEY = "uid"
    REDIRECT_STATE = False  # the redirect URI goes out as it is registered
    ACCESS_TOKEN_METHOD = "GET"

    def authorization_url(self) -> str:
        """Return ``AUTHORIZATION_URL``, or the login page of the site (section 7.1)."""
        with self._social_errors("begin"):
            return super().authorization_url() or self._client().site.authorization_endpoint

    def access_token_url(self) -> str:
        """Return ``ACCESS_TOKEN_URL``, or where the site gives tokens (section 7.2)."""
        with self._social_errors("token_exchange"):
            return super().access_token_url() or self._client().site.token_endpoint

    def refresh_token_url(self) -> str:
        """Return ``REFRESH_TOKEN_URL``, or where the site renews tokens (section 7.3)."""
        with self._social_errors("refresh"):
            return self.REFRESH_TOKEN_URL or self._client().site.refresh_endpoint

    def auth_url(self) -> str:
        """Return the address of the login page, the redirect URI raw in it (section 7.1)."""
        with self._social_errors("begin"):
            url, _ = self._checked_client("begin").create_authorization_url(
                self.authorization_url(),
                **{**self.auth_extra_arguments(), "state": self.get_or_create_state()},
            )
        return url

    def prepare_auth(self, user: UserProtocol | None = None) -> None:
        """Begin a login, and keep the four before it: social-core alone keeps the newest only."""
        begun = self._logins()
        super().prepare_auth(user)
        self._keep_logins([*begun, *self._logins()[-1:]][-LOGINS_AT_ONCE:])

    def validate_association_state(
        self, request_state: Any, user: UserProtocol | None = None
    ) -> str:
        """Find the callback's login among those under way and use it up."""
        self._refuse_head()
        logins = self._logins()
        # social-core compares the last one, in constant time and with its user.
        logins.sort(key=lambda login: login.get("state") == request_state)
        self._keep_logins(logins)
        state = super().validate_association_state(request_state, user)
        self._keep_logins(logins[:-1])
        return state

    def _logins(self) -> list[Any]:
        """Return the logins under way, the newest last, where social-core keeps its only one."""
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
        """Raise if the login was refused or the callback has no valid form (section 7.1)."""
        super().process_error(data, stage=stage)
        # A hook of an older form names no stage, whichever answer it was called with.
        if stage == "callback" and not isinstance(data, KuCoinToken):
            self._code_of(data)

    def request_access_token(self, url: str, *_args: Any, **_kwargs: Any) -> dict[Any, Any]:
        """Exchange the callback's code for a token (section 7.2)."""
        code = self._code_of(self.data)  # a subclass may have replaced process_error
        with self._social_errors("token_exchange"):
            token = self._checked_client("token_exchange").fetch_token(url, code=code)
        self._process_error(token, stage="token_exchange")  # a hook of subclasses
        return token

    def _code_of(self, data: Any) -> str:
        try:
            return read_callback(_pairs(data)).code()
        except AuthorizationDenied as error:
            # A refusal has a code or a message. Without them, the callback's form is invalid.
            kind = AuthCanceled if error.code or error.msg else AuthInputError
            raise kind(self, error, stage="callback", provider_code=error.code) from error

    def _refuse_head(self) -> None:
        """Raise for a HEAD, for which frameworks call the view of GET."""
        request = getattr(self.strategy, "request", None)  # not every strategy has it
        if getattr(request, "method", None) == "HEAD":
            raise AuthInputError(
                self,
                "The callback has to be opened with GET or POST. Nothing of this was used.",
                parameter="method",
                stage="callback",
            )

    def do_auth(self, access_token: str, *args: Any, **kwargs: Any) -> Any:
        """Go on with an access token, and with those parts of the token that the settings name.

        A response may be stored in the database, for example by a partial pipeline.
        """
        entries = [*(self.EXTRA_DATA or ()), *(self.setting("EXTRA_DATA") or ())]
        asked_for = {entry if isinstance(entry, str) else entry[0] for entry in entries}
        token = {"access_token": access_token, **(kwargs.get("response") or {})}
        kwargs["response"] = KuCoinToken(
            # social-core puts the access token in unless it is there.
            {"access_token": None} | {k: v for k, v in token.items() if k in asked_for}
        )
        return super().do_auth(access_token, *args, **kwargs)

    def user_data(self, access_token: str, *_args: Any, **kwargs: Any) -> dict[str, Any]:
        """Create an API key, hand it over, and ask whose it is (section 4)."""
        keep_api_key = self._api_key_step("user_info")
        user = kwargs["user"] if keep_api_key else None
        with self._social_errors("user_info"):
            client = self._client()
            key = client.create_api_key(access_token, permissions=self.setting("PERMISSIONS"))
        if keep_api_key:
            keep_api_key(strategy=self.strategy, backend=self, user=user, api_key=key)
        with self._social_errors("user_info"):
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
        """Return nothing: KuCoin says nothing about the user."""
        return {}

    def extra_data(
        self,
        user: UserProtocol | None,
        uid: str,
        response: dict[str, Any],
        details: dict[str, Any],
        pipeline_kwargs: dict[str, Any],
    ) -> dict[str, Any]:
        """Return what the settings ask for; social-core's OAuth adds the access token to it."""
        return BaseAuth.extra_data(self, user, uid, response, details, pipeline_kwargs)

    def refresh_token(self, token: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Exchange a refresh token for a new pair (section 7.3); callers share one request."""
        with self._social_errors("refresh"):
            if args:
                raise ConfigurationError("A refresh has one argument: the refresh token.")
            fresh = self._client().refresh_token(self.refresh_token_url(), token, **kwargs)
        self._process_error(fresh, stage="refresh")
        self.get_access_token(fresh)  # a hook of subclasses
        return fresh

    def _checked_client(self, stage: ErrorStage) -> KuCoinOAuth2Session:
        """Return a client, if a key can be asked for with these settings."""
        self._api_key_step(stage)
        client = self._client()
        api_key_body(client.site, self.setting("PERMISSIONS"))
        return client

    def _client(self) -> KuCoinOAuth2Session:
        for name in _UNUSED:
            if getattr(type(self), name) != getattr(KuCoinOAuth2, name) or name in vars(self):
                raise ConfigurationError(
                    f"Leave {name} as {KuCoinOAuth2.__module__} has it: KuCoin's calls are what "
                    "the document says, and do not use it."
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
            step: Callable[..., object] = module_member(path)  # type: ignore[no-untyped-call]  # social-core's
            # Checked now, because a call that fails would lose the key.
            names = ("strategy", "backend", "user", "api_key")
            check_function(step, "API_KEY_STEP", takes=0, keywords=names)
        except (ImportError, AttributeError, ValueError) as error:
            found = isinstance(error, ConfigurationError)
            raise AuthConfigurationError(
                self,
                str(error) if found else f"There is no function {path!r} to keep a new API key.",
                code="invalid_setting",
                parameter="API_KEY_STEP",
                stage=stage,
            ) from error
        return step

    @contextmanager
    def _social_errors(self, stage: ErrorStage) -> Generator[None]:
        """Raise social-core's own errors in the place of ours."""
        try:
            yield
        except (KuCoinError, UnsafeRedirectURI) as error:
            raise self._social_error(error, stage) from error

    def _social_error(
        self, error: KuCoinError | UnsafeRedirectURI, stage: ErrorStage
    ) -> SocialAuthBaseException:
        kind: type[SocialAuthBaseException] = AuthProviderError
        match error:
            case ConfigurationError(failure="tls"):
                code = "tls_error"
            case UnsafeRedirectURI() | ConfigurationError():
                kind, code = AuthConfigurationError, "invalid_setting"
            case ReauthorizationRequired():
                kind, code = AuthCredentialError, "reauthentication_required"
            case TokenError() if stage == "token_exchange":
                kind, code = AuthCredentialError, "authorization_code_rejected"
            case TokenError():
                kind, code = AuthCredentialError, "credential_rejected"
            case ApiKeyOutcomeUnknown() | MalformedResponse():
                kind, code = AuthResponseError, "malformed_response"
            case KuCoinUnavailable():
                code = _unavailability(error)
            case _:
                code = "http_error"
        if isinstance(error, TokenError) and error.code:  # it may be one of RFC 6749's
            named = self.get_provider_error({"error": error.code}, stage=stage)
            if named and named.code != "http_error":
                kind, code = type(named), named.code
        after = getattr(error, "retry_after", None)
        social = kind(
            self,
            error,
            code=code,
            stage=stage,
            provider_code=getattr(error, "code", None),
            status_code=getattr(error, "status", None),
            retry_after=str(after) if after is not None else None,
        )
        if isinstance(error, ConfigurationError) and "KUCOIN_" in str(error):
            prefix = setting_name(self.name)
            social.detail += f" In python-social-auth they are {prefix}_KEY and {prefix}_SITE."
            social.args = (social.detail,)
        if isinstance(error, ApiKeyError) and error.operation == "create_api_key":
            # The user has to act at KuCoin. social-core has no text for that, so use ours.
            social.recovery = "check_provider_profile"
            social.args = (str(error),)
        return social


def _unavailability(error: KuCoinError) -> str:
    if error.status is None:
        return _FAILURES.get(error.failure or "", "connection_failed")
    return "unavailable" if error.status >= 500 else "rate_limited"


def _pairs(data: Any) -> Iterable[tuple[str, str]]:
    """Return every parameter, repeated ones as often as they came."""
    if hasattr(data, "lists"):  # Django's and Werkzeug's
        return [(name, value) for name, values in data.lists() for value in values]
    pairs: Iterable[tuple[str, str]] = data.items()
    return pairs
