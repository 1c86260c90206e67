"""Every error, by name.

* KuCoinError                    (Authlib's OAuthError)
  - AuthorizationDenied          the callback was refused
    * MismatchingState           its state is not ours (Authlib's MismatchingStateError and
                                 MismatchingStateException too)
    * MissingCode                it holds no code (Authlib's MissingCodeException too)
  - TokenError                   exchange, refresh or validation was refused
    * ReauthorizationRequired    the refresh token is known to be spent: the user must log in
                                 (Authlib's InvalidTokenError too)
    * MissingToken               there is no token to send (Authlib's MissingTokenError too)
  - ApiKeyError                  the API key, or its description, was refused
    * ApiKeyNameTaken
    * ApiKeyLimitReached
    * PermissionMismatch         the permissions asked for were not granted
    * ApiKeyInvalid              the key was deleted, is another site's, or a credential is wrong
    * AddressNotAllowed          our address is not allowed to use the key
    * ClockSkewed                our clock is wrong
    * ApiKeyPermissionDenied     the key lacks a permission
    * ApiKeyOutcomeUnknown       a key may exist whose secret is lost
  - KuCoinUnavailable            trying again does no harm
  - MalformedResponse            the answer is not what the document describes
  - ConfigurationError           our own settings are incomplete (a ValueError too)
* UnsafeRedirectURI              a ValueError: raised before anything is sent

No error holds a secret: KuCoin's messages are masked before they get here.
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
    """Base class of all errors of this package.

    Attributes:
        operation: The call that failed: ``"authorize"``, ``"callback"``, ``"token"``,
            ``"refresh"``, ``"validate"``, ``"create_api_key"`` or ``"api_key_info"``; None outside
            a call, for example for a wrong setting.
        code: The error code KuCoin gave, as a string, if it gave one. KuCoin does not
            publish its codes, so match on the class rather than on the code.
        msg: KuCoin's own message, masked, if it gave one.
        retry: Whether the same call may be tried again: the ``retry`` field of KuCoin's
            envelope, and true for :class:`KuCoinUnavailable`.
        status: The HTTP status of the answer, if there was one.
        failure: Why there was no answer, if there was none: ``"timeout"``, ``"tls"``, or
            ``"connection"`` for any other reason.
        retry_after: After how many seconds KuCoin asks to try again, if it said so.
        error: A short constant name of the kind of error, as in Authlib.
        description: What is wrong and what to do next, in a sentence.
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
        # Not super(): MissingCodeException and the like refuse characters that KuCoin may send.
        AuthlibBaseError.__init__(self, description=description)
        # One positional argument, so that copy and pickle (task queues) can rebuild us.
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
    """The callback was refused: the user or KuCoin said no, or it cannot be trusted."""

    error = "access_denied"


class _RaisedByClients:
    """Attributes that the constructor of Authlib's errors sets. It is not called here."""

    state = None
    redirect_uri = None
    redirect_fragment = False


class MismatchingState(
    AuthorizationDenied, _RaisedByClients, MismatchingStateError, MismatchingStateException
):
    """The callback's state belongs to no login of this browser session.

    Authlib's apps raise ``MismatchingStateError``, its clients ``MismatchingStateException``.
    """

    error = "mismatching_state"


class MissingCode(AuthorizationDenied, _RaisedByClients, MissingCodeException):
    """The callback holds no authorization code, or one that cannot be valid."""

    error = "missing_code"


class TokenError(KuCoinError):
    """KuCoin refused to exchange, refresh or validate a token."""

    error = "token_refused"


class ReauthorizationRequired(TokenError, InvalidTokenError):
    """The refresh token is spent or past its 3 days: the user has to authorize again."""

    error = "reauthorization_required"


class MissingToken(TokenError, MissingTokenError):
    """There is no access token to send, so nothing was sent."""

    error = "missing_token"


class ApiKeyError(KuCoinError):
    """KuCoin refused to create an API key, or to describe one."""

    error = "api_key_refused"


class ApiKeyNameTaken(ApiKeyError):
    """The account has a key of this name already ("Repeated apiName", document section 4)."""

    error = "api_key_name_taken"


class ApiKeyLimitReached(ApiKeyError):
    """The account has as many keys as KuCoin allows (document section 4)."""

    error = "api_key_limit_reached"


class PermissionMismatch(ApiKeyError):
    """The permissions asked for are not those that the user granted."""

    error = "permission_mismatch"


class ApiKeyInvalid(ApiKeyError):
    """The key does not work: it was deleted, belongs to another site, or its secret is wrong."""

    error = "api_key_invalid"


class AddressNotAllowed(ApiKeyError):
    """KuCoin does not accept requests from our address for this key."""

    error = "address_not_allowed"


class ClockSkewed(ApiKeyError):
    """The request's timestamp is more than 5 s off: our clock is wrong."""

    error = "clock_skewed"


class ApiKeyPermissionDenied(ApiKeyError):
    """The key lacks the permission for this request."""

    error = "api_key_permission_denied"


class ApiKeyOutcomeUnknown(ApiKeyError):
    """The request was sent and no answer can be trusted: a key may or may not exist.

    Do not ask again automatically. Its secret is lost, so the user should look on KuCoin's API
    management page for a new key and delete it there.
    """

    error = "api_key_outcome_unknown"


class KuCoinUnavailable(KuCoinError):
    """KuCoin could not be reached, is overloaded or failing: trying again does no harm."""

    error = "temporarily_unavailable"


class MalformedResponse(KuCoinError):
    """The answer is not what the document describes, and nothing of it was used."""

    error = "malformed_response"


class ConfigurationError(KuCoinError, ValueError):
    """A setting is missing, wrong or without effect; raised before anything is sent."""

    error = "configuration_error"


class UnsafeRedirectURI(ValueError):
    """The redirect URI cannot be sent unencoded, or is not a safe address.

    The document says twice not to encode it (sections 7.1 and 7.2), so a URI with a character
    that would need encoding is refused before anything is sent.
    """
