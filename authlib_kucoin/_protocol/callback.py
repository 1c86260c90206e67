"""Reads the callback: the request with which the browser returns from KuCoin.

The document lists in section 7.1 the parameters ``{success, code, msg, retry, data, state}``.
``code`` is the authorization code if ``success`` is true, and an error code if it is false.
Published clients read ``?code=…&state=…``. Both are accepted. The caller passes the
parameters of the query and of a posted form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from authlib_kucoin._errors import AuthorizationDenied, MismatchingState, MissingCode

from .call import is_visible
from .redaction import presentable

#: The most characters that an authorization code may have. Without a limit, a forged callback could
#: make us send a megabyte.
_LONGEST_CODE: Final = 4096


class Callback(NamedTuple):
    """The callback, as :func:`read_callback` returns it.

    Attributes:
        params: The parameters of the callback, each of which occurred once.
    """

    params: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Callback({', '.join(self.params)})"

    @property
    def state(self) -> str:
        """The callback's state, which the caller has to compare with the state that it sent."""
        return self.params["state"]

    def code(self) -> str:
        """Return the authorization code. Call this only after the state has been compared.

        Raises:
            AuthorizationDenied: If ``success`` is given and is not "true" (upper case counts too),
                or if ``error`` is given and not empty: the login was refused.
            MissingCode: If there is no code, or it is too long, a mask, or not visible ASCII.
        """
        params = self.params
        # "success" tells whether "code" is an authorization code or an error code.
        success = params.get("success", "true").lower()
        if success != "true" or params.get("error"):
            # Unless "success" is "false", "code" could be an authorization code: mask it.
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
    """Check the parameters of a callback.

    Args:
        pairs: Every parameter of the query and of the form, in any order, with repeated ones.
        method: The HTTP method, if it is known.

    Raises:
        AuthorizationDenied: If a parameter occurs twice, or the method is given and is neither GET
            nor POST. (For HEAD, some frameworks call the view of GET.)
        MismatchingState: If the state is missing or empty.
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
    """Return the error for a callback whose state is not the expected one."""
    return MismatchingState(
        "The callback's state belongs to no login of this browser session: it was used before, is "
        "too old, or is another browser's. Start the login again.",
        operation="callback",
    )
