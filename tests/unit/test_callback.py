"""How a callback from KuCoin's login page is read (document section 7.1)."""

from __future__ import annotations

import pytest
from authlib.integrations.base_client import MismatchingStateError, OAuthError

from authlib_kucoin import AuthorizationDenied
from authlib_kucoin._protocol.callback import mismatching_state, read_callback
from tests.support.canaries import canaries

Pairs = list[tuple[str, str]]


def envelope(**fields: str) -> Pairs:
    """Return a callback's parameters in the form that the document prints."""
    return list(
        {
            "success": "true",
            "code": "the-code",
            "msg": "success.",
            "retry": "false",
            "data": "null",
            "state": "the-state",
            **fields,
        }.items()
    )


@pytest.mark.parametrize(
    "pairs",
    [
        [("code", "the-code"), ("state", "the-state")],
        [("state", "the-state"), ("code", "the-code"), ("unknown", "x")],
        envelope(),
        envelope(success="True"),
    ],
)
def test_plain_and_enveloped_callbacks_are_read(pairs: Pairs) -> None:
    """State and code are read from the document's parameters, and from code and state alone."""
    callback = read_callback(pairs)
    assert (callback.state, callback.code()) == ("the-state", "the-code")


def test_repr_of_a_callback_hides_the_code() -> None:
    """A logged callback shows which parameters it has, and no values."""
    assert repr(read_callback(envelope(data="x"))) == (
        "Callback(success, code, msg, retry, data, state)"
    )


@pytest.mark.parametrize("success", ["false", "False"])
def test_code_beside_success_false_is_an_error_code(success: str) -> None:
    """With ``success=false``, ``code()`` raises an error with KuCoin's error code and message."""
    callback = read_callback(
        envelope(success=success, code="40001", msg="user cancelled", retry="true")
    )
    with pytest.raises(AuthorizationDenied) as caught:
        callback.code()
    error = caught.value
    assert (error.code, error.msg, error.retry) == ("40001", "user cancelled", True)
    assert error.operation == "callback"
    assert "code 40001: user cancelled" in str(error)


@pytest.mark.parametrize("success", ["", "0", "1", "no", "maybe", "truetrue"])
def test_code_beside_invalid_success_is_hidden(
    success: str,
) -> None:
    """If ``success`` is neither true nor false, ``code()`` raises an error that hides the code."""
    code = canaries.new("a code")
    callback = read_callback(envelope(success=success, code=code, msg="who knows"))
    with pytest.raises(AuthorizationDenied, match="who knows") as caught:
        callback.code()
    assert caught.value.code is None
    assert code not in f"{caught.value}{vars(caught.value)}"


def test_oauth_error_in_callback_is_a_refusal() -> None:
    """A callback with ``error`` is a refusal with that error code (RFC 6749, section 4.1.2.1)."""
    pairs = [("error", "access_denied"), ("error_description", "no"), ("state", "s")]
    with pytest.raises(AuthorizationDenied) as caught:
        read_callback(pairs).code()
    assert (caught.value.code, caught.value.msg) == ("access_denied", "no")


@pytest.mark.parametrize("refusal", [{"error": "access_denied"}, {"success": "no"}])
def test_code_repeated_in_a_refusal_is_masked(refusal: dict[str, str]) -> None:
    """Unless ``success`` is false, the message masks the code, because the code may be valid."""
    code = canaries.new("a code")
    callback = read_callback(envelope(msg=f"not with {code}", code=code, **refusal))
    with pytest.raises(AuthorizationDenied, match=r"not with \*\*\*") as caught:
        callback.code()
    assert code not in f"{caught.value}{vars(caught.value)}"


def test_refusal_without_details_has_a_message() -> None:
    """If KuCoin gives neither code nor message, the error still says to start again."""
    with pytest.raises(AuthorizationDenied, match=r"was refused\. To connect"):
        read_callback([("success", "false"), ("state", "s")]).code()


@pytest.mark.parametrize("code", [None, "", " ", "a b", "a\r\nb", "\ud800", "ü", "x" * 4097])
def test_missing_or_invalid_code_is_refused(code: str | None) -> None:
    """A code is refused if it is missing, too long, or holds anything but visible ASCII."""
    pairs = [("state", "s")] + ([] if code is None else [("code", code)])
    with pytest.raises(AuthorizationDenied, match="no authorization code") as caught:
        read_callback(pairs).code()
    assert caught.value.operation == "callback"


@pytest.mark.parametrize("name", ["code", "state", "success", "msg", "x"])
def test_duplicate_parameter_is_refused(name: str) -> None:
    """A callback is refused if any of its parameters comes twice (RFC 6749, section 3.1)."""
    with pytest.raises(AuthorizationDenied, match="twice"):
        read_callback([*envelope(x="1"), (name, "other")])


@pytest.mark.parametrize("pairs", [[], [("code", "c")], [("code", "c"), ("state", "")]])
def test_a_callback_without_state_is_refused(pairs: Pairs) -> None:
    """A missing or empty state raises an error that is Authlib's ``MismatchingStateError`` too."""
    with pytest.raises(AuthorizationDenied, match="no state") as caught:
        read_callback(pairs)
    assert isinstance(caught.value, MismatchingStateError)


def test_state_mismatch_has_authlibs_error_classes() -> None:
    """The error for an unknown state can be caught as each of these three classes."""
    error = mismatching_state()
    assert {AuthorizationDenied, MismatchingStateError, OAuthError} <= {*type(error).__mro__}
    assert error.error == "mismatching_state"
    assert "used before" in str(error)


def test_callback_message_cannot_forge_or_flood_the_log() -> None:
    """Line breaks in code and message become spaces; the message is cut at 300 characters."""
    pairs = envelope(success="false", msg="a\nFORGED" + "x" * 999, code="1\r\n2")
    with pytest.raises(AuthorizationDenied) as caught:
        read_callback(pairs).code()
    assert caught.value.code == "1  2"
    assert len(caught.value.msg or "") == 300
    assert "\n" not in str(caught.value)
