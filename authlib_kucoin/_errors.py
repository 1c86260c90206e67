"""The public errors. The classes in brackets are base classes from Authlib and Python.

* KuCoinError                    (Authlib's OAuthError)
  - AuthorizationDenied          the login was refused, or the callback cannot be used
    * MismatchingState           the callback's state is missing or not the expected one
                                 (Authlib's MismatchingStateError, MismatchingStateException)
    * MissingCode                the callback holds no code, or one that cannot be valid (Authlib's
                                 MissingCodeException)
  - TokenError                   KuCoin refused an exchange, a refresh or a validation, or a token
                                 is missing or cannot be read
    * ReauthorizationRequired    the refresh token is missing or no longer works: the user must
                                 authorize again (Authlib's InvalidTokenError)
    * MissingToken               there is no access token to send (Authlib's MissingTokenError)
  - ApiKeyError                  KuCoin refused to create or describe an API key, or the given key
                                 cannot sign a request
    * ApiKeyNameTaken            the account already has a key of this name
    * ApiKeyLimitReached         the account has as many keys as KuCoin allows
    * PermissionMismatch         the user did not grant the permissions that were asked for, or has
                                 not opened futures trading
    * ApiKeyInvalid              the key was deleted, is another site's, or a credential is wrong
    * AddressNotAllowed          this server's address is not allowed to use the key or partner id
    * ClockSkewed                the request's timestamp is more than 5 s off
    * ApiKeyPermissionDenied     the key lacks a permission
    * ApiKeyOutcomeUnknown       a key was perhaps created, and its secret is then lost
  - KuCoinUnavailable            KuCoin is unreachable, is failing or gets too many requests; trying
                                 again does no harm
  - MalformedResponse            the answer is a redirect, or not as documented
  - ConfigurationError           a setting or something in the application is missing, wrong or
                                 without effect (ValueError)
* UnsafeRedirectURI              (ValueError) the redirect URI is missing, is not an absolute https
                                 URL (http is for loopback only), or cannot be sent unencoded

Before KuCoin's message becomes part of an error, the secrets of the call are masked in the message.
"""

from __future__ import annotations

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import (
    InvalidTokenError,
    MismatchingStateError,
    MissingTokenError,
    OAuthError,
)
from authlib.oauth2.rfc6749 import MismatchingStateException
from authlib.oauth2.rfc6749.errors import MissingCodeException


class KuCoinError(OAuthError):
    """Base class of the errors of this package, except for :class:`UnsafeRedirectURI`.

    This class itself is never raised. Catch it to catch all of its subclasses.

    Attributes:
        operation: The call that failed: ``"authorize"``, ``"callback"``, ``"token"``,
            ``"refresh"``, ``"validate"``, ``"create_api_key"`` or ``"api_key_info"``; None if it
            is not known, as for most wrong settings.
        code: KuCoin's error code as a string; None if there is none. KuCoin publishes no codes
            for the Fast API, so match on the class of the error rather than on the code.
        msg: The beginning of KuCoin's message, with secrets masked; None if there is none.
        retry: Whether repeating the same call is safe and can help: true for
            :class:`KuCoinUnavailable`, false for :class:`ApiKeyOutcomeUnknown`. For any other
            error, true only if the ``retry`` field of KuCoin's answer or callback is true.
        status: The HTTP status of KuCoin's answer; None if none is known.
        failure: Why a request got no answer or only part of one: ``"timeout"``, ``"tls"``, or
            ``"connection"`` for any other reason. Otherwise None. A :class:`ConfigurationError`
            has ``"tls"`` or None.
        retry_after: How many seconds KuCoin asks to wait before another try; None if unknown.
        error: A short name, the same for all errors of one class.
        description: What is wrong, and often what to do next, as a text.
    """

    error = "kucoin_error"

    def __init__(
        self,
        description: str,
        *,
        operation: str | None = None,
        code: str | None = None,
        msg: str | None = None,
        retry: bool = False,
        status: int | None = None,
        retry_after: int | None = None,
        failure: str | None = None,
    ) -> None:
        # Not super().__init__: the constructors of MissingCodeException and similar classes refuse
        # characters that KuCoin's messages can hold.
        AuthlibBaseError.__init__(self, description=description)
        # copy and pickle (task queues) rebuild an error by calling its class with these arguments.
        self.args = (description,)
        self.operation = operation
        self.code = code
        self.msg = msg
        self.retry = retry
        self.status = status
        self.retry_after = retry_after
        self.failure = failure

    def __str__(self) -> str:
        return self.description

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.error}: {self.description!r}>"


class AuthorizationDenied(KuCoinError):
    """The user or KuCoin refused the login, or the callback cannot be used."""

    error = "access_denied"


class _RaisedByClients:
    """Defaults of attributes that the constructors of Authlib's client errors would set.

    :class:`KuCoinError` skips these constructors.
    """

    state = None
    redirect_uri = None
    redirect_fragment = False


class MismatchingState(
    AuthorizationDenied, _RaisedByClients, MismatchingStateError, MismatchingStateException
):
    """The callback's state is missing or not the expected one.

    In place of this error, Authlib's own apps raise ``MismatchingStateError``, and Authlib's own
    clients raise ``MismatchingStateException``. This class is a subclass of both.
    """

    error = "mismatching_state"


class MissingCode(AuthorizationDenied, _RaisedByClients, MissingCodeException):
    """The callback holds no authorization code, or a code that cannot be valid."""

    error = "missing_code"


class TokenError(KuCoinError):
    """KuCoin refused an exchange, refresh or validation, or a token is missing or unreadable."""

    error = "token_refused"


class ReauthorizationRequired(TokenError, InvalidTokenError):
    """The refresh token is missing or no longer works: the user has to authorize again."""

    error = "reauthorization_required"


class MissingToken(TokenError, MissingTokenError):
    """There is no access token that can be sent, so the call that needs one was not sent."""

    error = "missing_token"


class ApiKeyError(KuCoinError):
    """KuCoin refused to create or describe an API key, or the given key cannot sign a request."""

    error = "api_key_refused"


class ApiKeyNameTaken(ApiKeyError):
    """The account has a key of this name already ("Repeated apiName", document section 4)."""

    error = "api_key_name_taken"


class ApiKeyLimitReached(ApiKeyError):
    """The account has as many keys as KuCoin allows (document section 4)."""

    error = "api_key_limit_reached"


class PermissionMismatch(ApiKeyError):
    """KuCoin refused the permissions asked for.

    The user did not grant them, or has not opened futures trading.
    """

    error = "permission_mismatch"


class ApiKeyInvalid(ApiKeyError):
    """The key was deleted, belongs to another site, or one of its credentials is wrong."""

    error = "api_key_invalid"


class AddressNotAllowed(ApiKeyError):
    """KuCoin accepts no requests from this server's address with this key or partner id."""

    error = "address_not_allowed"


class ClockSkewed(ApiKeyError):
    """The request's timestamp is more than 5 s off. Usually this server's clock is wrong."""

    error = "clock_skewed"


class ApiKeyPermissionDenied(ApiKeyError):
    """The key lacks the permission for this request."""

    error = "api_key_permission_denied"


class ApiKeyOutcomeUnknown(ApiKeyError):
    """The request for a key perhaps reached KuCoin and got no usable answer.

    So a key was perhaps created.

    Do not ask for another key automatically. If a key was created, its secret is lost. So have the
    user look for a new key on KuCoin's API management page, and delete it there.
    """

    error = "api_key_outcome_unknown"


class KuCoinUnavailable(KuCoinError):
    """KuCoin cannot be reached, is failing or gets too many requests. Trying again does no harm.

    It is also raised for a caller that gets no result from a refresh that it shares with others.
    """

    error = "temporarily_unavailable"


class MalformedResponse(KuCoinError):
    """KuCoin's answer is a redirect, or not as documented. Nothing of it was used."""

    error = "malformed_response"


class ConfigurationError(KuCoinError, ValueError):
    """A setting or something in the application is missing, wrong or without effect.

    This error is raised before anything is sent, if the mistake can be detected by then.
    """

    error = "configuration_error"


class UnsafeRedirectURI(ValueError):
    """The redirect URI is missing, is not an absolute https URL, or cannot be sent unencoded.

    An http URL is accepted for a loopback host only. The document says in sections 7.1 and 7.2 not
    to encode the redirect URL. So a URI with a character that would need encoding is refused before
    it is sent.
    """
