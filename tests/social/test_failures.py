"""Refused callbacks and KuCoin's failures appear as social-core's own exceptions."""

from typing import Any

import pytest
from social_core.exceptions import (
    AuthCanceled,
    AuthConfigurationError,
    AuthCredentialError,
    AuthInputError,
    AuthProviderError,
    AuthResponseError,
    AuthSessionError,
    SocialAuthBaseException,
)

from authlib_kucoin import ApiKeyLimitReached, KuCoinError
from authlib_kucoin.sandbox import Sandbox, SandboxKeywords, run_sandbox
from tests.social.host import REFRESHABLE, Host
from tests.social.memory import Social, User, kept

# --- callbacks, and who may start a login ---------------------------------------------------------


def failure(host: Host, fields: Any) -> SocialAuthBaseException:
    """Return the error that a callback ends with, after checking that no code was exchanged."""
    with pytest.raises(SocialAuthBaseException) as caught:
        host.complete(fields)
    assert "token" not in host.sandbox.totals
    assert caught.value.stage == "callback"
    assert caught.value.backend is not None
    assert caught.value.backend.name == "kucoin"
    return caught.value


@pytest.mark.parametrize("mode", ["plain", "envelope", "form_post"])
def test_cancelled_login_connects_no_account(mode: Any) -> None:
    """A cancelled login raises ``AuthCanceled`` with KuCoin's code and text."""
    with run_sandbox(callback=mode) as sandbox:
        host = Host(sandbox)
        error = failure(host, sandbox.cancel(host.start()).fields)
        assert isinstance(error, AuthCanceled)
        assert error.provider_code == "sandbox.user_cancelled"
        assert "The user cancelled the authorization." in error.detail
        assert "kucoin_state" not in host.strategy.session


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"success": "false", "code": "40001"}, AuthCanceled, "authorization_declined"),
        ({"success": "false", "msg": "no"}, AuthCanceled, "authorization_declined"),
        ({"success": "false"}, AuthInputError, "invalid_parameter"),
        ({"success": "true"}, AuthInputError, "invalid_parameter"),
        ({"error": "access_denied"}, AuthCanceled, "authorization_declined"),
        ({"error": "temporarily_unavailable"}, AuthProviderError, "unavailable"),
        ({"error": "invalid_scope"}, AuthConfigurationError, "invalid_setting"),
        ({"code": ""}, AuthInputError, "invalid_parameter"),
        ({"code": "two words"}, AuthInputError, "invalid_parameter"),
        ({}, AuthInputError, "invalid_parameter"),
    ],
)
def test_each_kind_of_refusal_has_its_error_class(
    host: Host, fields: dict[str, str], kind: type[Exception], code: str
) -> None:
    """Each refused callback raises its error class of social-core, and no token is requested."""
    host.start()
    state = host.strategy.session["kucoin_state"]["state"]
    error = failure(host, fields | {"state": state})
    assert isinstance(error, kind)
    assert error.code == code


class MultiDict(dict[str, list[str]]):
    """Parameters that may appear twice, like Django's ``QueryDict``."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return the last value."""
        return super().get(name, [default])[-1]

    def __getitem__(self, name: str) -> Any:
        """Return the last value."""
        return super().__getitem__(name)[-1]

    def lists(self) -> Any:
        """Return all values."""
        return super().items()


@pytest.mark.parametrize("duplicate", ["code", "state", "success", "other"])
def test_duplicate_parameter_is_refused(host: Host, duplicate: str) -> None:
    """If the framework shows that a parameter came twice, the callback is refused."""
    host.start()
    state = host.strategy.session["kucoin_state"]["state"]
    fields = {"code": ["c"], "state": [state], "success": ["true"], "other": ["o"]}
    fields[duplicate] *= 2
    error = failure(host, MultiDict(fields))
    assert isinstance(error, AuthInputError)
    assert "twice" in error.detail


def test_multi_dict_without_duplicates_works_like_a_dict(host: Host) -> None:
    """A multi-dict without doubled parameters works like a dict."""
    fields = host.sandbox.approve(host.start()).fields
    assert host.complete(MultiDict({name: [value] for name, value in fields.items()})) == "/"


def test_invalid_state_is_refused_by_social_core(host: Host) -> None:
    """social-core refuses a wrong, missing, used or another user's state, and an anonymous user."""
    fields = host.sandbox.approve(host.start()).fields
    missing = failure(host, {"code": fields["code"]})
    assert (type(missing), missing.parameter) == (AuthInputError, "state")
    wrong = failure(host, fields | {"state": "guessed"})
    assert (type(wrong), wrong.code) == (AuthSessionError, "state_mismatch")
    renamed = failure(host, {"code": fields["code"], "redirect_state": fields["state"]})
    assert type(renamed) is AuthInputError
    fields = host.sandbox.approve(host.start()).fields
    alice, host.user = host.user, User("mallory")
    foreign = failure(host, fields)
    assert (type(foreign), foreign.code) == (AuthSessionError, "user_mismatch")
    host.user = None
    nobody = failure(host, fields)
    assert type(nobody) is AuthSessionError
    host.user = alice
    host.complete(fields)
    host.sandbox.reset()
    again = failure(host, fields)
    assert (type(again), again.code) == (AuthSessionError, "session_context_missing")


def test_anonymous_user_cannot_start_a_login(host: Host) -> None:
    """If nobody is signed in to the host application, starting a login raises an error."""
    host.user = None
    with pytest.raises(AuthSessionError) as caught:
        host.start()
    assert caught.value.stage == "begin"


# --- calls to KuCoin ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "fault", "kind", "code"),
    [
        ("token", "envelope:1:no", AuthCredentialError, "authorization_code_rejected"),
        ("token", "oauth:invalid_grant", AuthCredentialError, "authorization_code_rejected"),
        ("token", "oauth:invalid_client", AuthConfigurationError, "invalid_setting"),
        ("token", "oauth:access_denied", AuthCanceled, "authorization_declined"),
        ("token", "429", AuthProviderError, "rate_limited"),
        ("token", "envelope:429000:slow", AuthProviderError, "rate_limited"),
        ("token", "502", AuthProviderError, "unavailable"),
        ("token", "reset_before", AuthProviderError, "connection_failed"),
        ("token", "lost", AuthProviderError, "connection_failed"),
        ("token", "html", AuthResponseError, "malformed_response"),
        ("token", "deep_json", AuthResponseError, "malformed_response"),
        ("token", "redirect", AuthResponseError, "malformed_response"),
        ("create_api_key", "429", AuthProviderError, "rate_limited"),
        ("create_api_key", "envelope:1:no", AuthProviderError, "http_error"),
        ("create_api_key", "lost", AuthResponseError, "malformed_response"),
        ("create_api_key", "503", AuthResponseError, "malformed_response"),
        ("create_api_key", "html", AuthResponseError, "malformed_response"),
        ("api_key_info", "429", AuthProviderError, "rate_limited"),
        ("api_key_info", "envelope:400006:IP", AuthProviderError, "http_error"),
        ("api_key_info", "wrong_shape", AuthResponseError, "malformed_response"),
    ],
)
def test_each_failure_has_the_error_class_of_social_core(
    host: Host, operation: str, fault: str, kind: type[Exception], code: str
) -> None:
    """The error has the stage, KuCoin's code, the HTTP status, and our own error as its cause."""
    host.sandbox.fail_next(operation, fault)
    with pytest.raises(SocialAuthBaseException) as caught:
        host.come_back()
    error = caught.value
    assert (type(error), error.code) == (kind, code)
    assert error.stage == ("token_exchange" if operation == "token" else "user_info")
    cause = error.__cause__
    assert isinstance(cause, KuCoinError)
    assert cause.operation == operation
    assert (error.provider_code, error.status_code) == (cause.code, cause.status)
    assert error.detail == str(cause)
    assert not Social.rows


def test_requests_timeout_setting_limits_the_calls(kucoin_sandbox: Sandbox) -> None:
    """``REQUESTS_TIMEOUT`` limits KuCoin's calls, as it limits those of other backends."""
    host = Host(kucoin_sandbox, REQUESTS_TIMEOUT=0.05)
    kucoin_sandbox.fail_next("token", "delay:1")
    with pytest.raises(AuthProviderError) as caught:
        host.come_back()
    assert caught.value.code == "timeout"
    assert caught.value.recovery == "retry_later"


def test_untrusted_certificate_is_a_tls_error() -> None:
    """For an untrusted certificate, the error has the code ``tls_error`` and our advice."""
    with run_sandbox(tls="self-signed") as sandbox:
        host = Host(sandbox)
        with pytest.raises(AuthProviderError, match="secure connection") as caught:
            host.come_back()
    assert (caught.value.code, caught.value.stage) == ("tls_error", "token_exchange")
    assert "REQUESTS_CA_BUNDLE" in caught.value.detail


def test_refused_connection_is_connection_failed(kucoin_sandbox: Sandbox) -> None:
    """If the proxy refuses the connection, the error has the code ``connection_failed``."""
    host = Host(kucoin_sandbox, PROXIES={"http": "http://127.0.0.1:9"})
    with pytest.raises(AuthProviderError) as caught:
        host.come_back()
    assert caught.value.code == "connection_failed"


def test_proxies_and_verify_ssl_settings_reach_the_client(kucoin_sandbox: Sandbox) -> None:
    """``PROXIES`` and ``VERIFY_SSL`` reach the client.

    By default, the client verifies certificates, and its timeout is 10 s.
    """
    host = Host(kucoin_sandbox, PROXIES={"http": "http://127.0.0.1:9"}, VERIFY_SSL="/ca.pem")
    client = host.backend._client()
    assert client.proxies == {"http": "http://127.0.0.1:9"}
    assert client.verify == "/ca.pem"
    client = Host(kucoin_sandbox).backend._client()
    assert client.verify is True
    assert client.default_timeout == 10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_keys": 0}, "reaches to the maximum level"),
        ({"permission_mismatch": True}, "40503"),
    ],
)
def test_refused_key_error_has_kucoins_reason(options: SandboxKeywords, says: str) -> None:
    """The error has KuCoin's reason, and its ``recovery`` sends the user to KuCoin's site.

    No key is stored.
    """
    with run_sandbox(**options) as sandbox:
        with pytest.raises(AuthProviderError, match=says) as caught:
            Host(sandbox).come_back()
        assert caught.value.recovery == "check_provider_profile"
        assert not kept


def test_lost_key_error_names_kucoins_page(host: Host) -> None:
    """A lost key's error names KuCoin's API management page; too many keys are another error."""
    host.sandbox.fail_next("create_api_key", "reset_after")
    with pytest.raises(AuthResponseError, match="API management page") as caught:
        host.come_back()
    assert caught.value.recovery == "check_provider_profile"
    host.sandbox.fail_next("create_api_key", "envelope:x:number of user's apiKey: maximum")
    with pytest.raises(AuthProviderError) as refused:
        host.come_back()
    assert isinstance(refused.value.__cause__, ApiKeyLimitReached)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("envelope:1:no", AuthCredentialError, "credential_rejected"),
        ("oauth:invalid_grant", AuthCredentialError, "reauthentication_required"),
        ("503", AuthProviderError, "unavailable"),
        ("empty", AuthResponseError, "malformed_response"),
        ("wrong_shape", AuthResponseError, "malformed_response"),
    ],
)
def test_a_failed_refresh_keeps_the_old_pair(
    kucoin_sandbox: Sandbox, fault: str, kind: type[Exception], code: str
) -> None:
    """Each failure raises its error class of social-core, and ``extra_data`` stays unchanged."""
    host = Host(kucoin_sandbox, EXTRA_DATA=REFRESHABLE)
    host.come_back()
    [row] = Social.rows
    old = dict(row.extra_data)
    kucoin_sandbox.fail_next("refresh", fault)
    with pytest.raises(SocialAuthBaseException) as caught:
        row.refresh_token(host.strategy)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.stage == "refresh"
    assert row.extra_data == old
