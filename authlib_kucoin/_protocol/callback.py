"""The callback: how the browser comes back from the login page (document section 7.1).

The document gives the answer as ``{success, code, msg, retry, data, state}``, where ``code`` is
the authorization code if ``success`` is true and an error code if it is false. Public clients
read ``?code=…&state=…``. Both forms are accepted, by query and by form POST.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from authlib_kucoin._errors import AuthorizationDenied, MismatchingState, MissingCode

from .call import is_visible
from .redaction import presentable

#: Longer than any real code: a hostile callback cannot make us send a megabyte.
_LONGEST_CODE: Final = 4096


class Callback(NamedTuple):
    """A callback whose form is valid.

    Attributes:
        params: Its parameters; each came once.
    """

    params: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Callback({', '.join(self.params)})"

    @property
    def state(self) -> str:
        """The state that came back, not yet compared with ours."""
        return self.params["state"]

    def code(self) -> str:
        """Return the authorization code. Compare the state first.

        Raises:
            MissingCode: If there is no code.
            AuthorizationDenied: If the login was refused.
        """
        params = self.params
        # Read "success" before "code": it says which kind of code it is.
        success = params.get("success", "true").lower()
        if success != "true" or params.get("error"):
            # With anything but a plain "false", the code may be an authorization code: hide it.
            given = params.get("code", "")
            error_code, secrets = (given, ()) if success == "false" else ("", (given,))
            code = presentable(params.get("error") or error_code, secrets)
            msg = presentable(params.get("error_description") or params.get("msg"), secrets)
            said = ": ".join(filter(None, (code and f"code {code}", msg)))
            raise AuthorizationDenied(
                f"The login at KuCoin was refused{said and f' ({said})'}. To connect the "
                "account, start again and approve.",
                operation="callback",
                code=code,
                msg=msg,
                retry=params.get("retry", "").lower() == "true",
            )
        code = params.get("code")
        if not is_visible(code) or len(code) > _LONGEST_CODE:
            raise MissingCode(
                "The callback holds no authorization code. Start the login again.",
                operation="callback",
            )
        return code


def read_callback(pairs: Iterable[tuple[str, str]], method: str | None = None) -> Callback:
    """Check the form of a callback.

    Args:
        pairs: Every parameter of the query and of the form, in any order.
        method: The request's method, if it is known.

    Raises:
        AuthorizationDenied: If a parameter is doubled, there is no state, or the method is HEAD,
            for which frameworks call the view of GET.
    """
    if method not in {None, "GET", "POST"}:
        raise AuthorizationDenied(
            "The callback has to be opened with GET or POST. Nothing of this request was used.",
            operation="callback",
        )
    params: dict[str, str] = {}
    for name, value in pairs:
        if name in params:
            raise AuthorizationDenied(
                "The callback holds a parameter twice, so none of it was used. "
                "Start the login again.",
                operation="callback",
            )
        params[name] = value
    if not params.get("state"):
        raise MismatchingState(
            "The callback holds no state. Start the login again.", operation="callback"
        )
    return Callback(params)


def mismatching_state() -> MismatchingState:
    """Return the error for a state that is not ours, or was used before."""
    return MismatchingState(
        "The callback's state belongs to no login of this browser session: it was used before, is "
        "too old, or is another browser's. Start the login again.",
        operation="callback",
    )
