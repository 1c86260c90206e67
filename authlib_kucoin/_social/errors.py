"""The errors of this package as social-core's own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from social_core.exceptions import (
    AuthConfigurationError,
    AuthCredentialError,
    AuthProviderError,
    AuthResponseError,
    ErrorStage,
    SocialAuthBaseException,
)
from social_core.utils import setting_name

from authlib_kucoin._errors import (
    ApiKeyError,
    ApiKeyOutcomeUnknown,
    ConfigurationError,
    KuCoinError,
    KuCoinUnavailable,
    MalformedResponse,
    ReauthorizationRequired,
    TokenError,
    UnsafeRedirectURI,
)

#: social-core's codes by :attr:`KuCoinError.failure`.
_FAILURES: Final = {
    "timeout": "timeout",
    "tls": "tls_error",
    "connection": "connection_failed",
}


@contextmanager
def social_errors(backend: Any, stage: ErrorStage) -> Generator[None]:
    """Replace an error of this package by one of social-core's.

    Args:
        backend: The backend.
        stage: social-core's name of the stage that fails.
    """
    try:
        yield
    except (KuCoinError, UnsafeRedirectURI) as error:
        raise social_error(backend, error, stage) from error


def social_error(
    backend: Any, error: KuCoinError | UnsafeRedirectURI, stage: ErrorStage
) -> SocialAuthBaseException:
    """Return the error of social-core that stands for an error of this package."""
    kind, code = _kind_and_code(backend, error, stage)
    after = getattr(error, "retry_after", None)
    social = kind(
        backend,
        error,
        code=code,
        stage=stage,
        provider_code=getattr(error, "code", None),
        status_code=getattr(error, "status", None),
        retry_after=None if after is None else str(after),
    )
    if isinstance(error, ConfigurationError) and "KUCOIN_" in str(error):
        prefix = setting_name(backend.name)
        social.detail += (
            f" In python-social-auth these settings are {prefix}_KEY and {prefix}_SITE."
        )
        social.args = (social.detail,)
    if isinstance(error, ApiKeyError) and error.operation == "create_api_key":
        # The user may have to act at KuCoin. social-core has no text that says so, so show ours.
        social.recovery = "check_provider_profile"
        social.args = (str(error),)
    return social


def _kind_and_code(
    backend: Any, error: KuCoinError | UnsafeRedirectURI, stage: ErrorStage
) -> tuple[type[SocialAuthBaseException], str]:
    match error:
        case ConfigurationError(failure="tls"):
            return AuthProviderError, _FAILURES["tls"]
        case UnsafeRedirectURI() | ConfigurationError():
            return AuthConfigurationError, "invalid_setting"
        case TokenError():
            return _refusal(backend, error, stage)
        case ApiKeyOutcomeUnknown() | MalformedResponse():
            return AuthResponseError, "malformed_response"
        case KuCoinUnavailable():
            return AuthProviderError, _unavailability(error)
        case _:
            return AuthProviderError, "http_error"


def _unavailability(error: KuCoinUnavailable) -> str:
    if error.status is None:
        return _FAILURES[error.failure or "connection"]
    return "unavailable" if error.status >= 500 else "rate_limited"


def _refusal(
    backend: Any, error: TokenError, stage: ErrorStage
) -> tuple[type[SocialAuthBaseException], str]:
    if isinstance(error, ReauthorizationRequired):
        return AuthCredentialError, "reauthentication_required"
    named = backend.get_provider_error({"error": error.code}, stage=stage)
    if named and named.code != "http_error":  # else social-core does not know the code
        return type(named), named.code
    if stage == "token_exchange":
        return AuthCredentialError, "authorization_code_rejected"
    return AuthCredentialError, "credential_rejected"
