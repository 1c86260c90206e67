"""The steps of a rehearsal: a person signs in, and the program sends each call in turn.

The package's own client sends the package's own calls. If a call raises an error of this package,
the error goes into the report. Without a callback or a token, the rehearsal ends early.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

from authlib_kucoin._errors import ApiKeyOutcomeUnknown, KuCoinError, UnsafeRedirectURI
from authlib_kucoin._models import ApiKey, KuCoinToken
from authlib_kucoin._protocol import calls
from authlib_kucoin._tools.watched import Heard

from .answer import Answer
from .masks import Secrets, alphabet
from .record import Exchange, Landing, Record
from .terminal import Terminal

T = TypeVar("T")

#: How many times the program asks for the callback at most.
_PASTES: Final = 3
#: A pasted text with one of these parameters counts as KuCoin's callback.
_OF_CALLBACK: Final = {"code", "success", "error"}


@dataclasses.dataclass
class Rehearsal:
    """One rehearsal.

    Attributes:
        client: The watched client; it appends each raw answer to ``heard``.
        heard: The raw answers to the current call.
        terminal: The terminal of the person.
        secrets: The values that must not be in the report.
        record: The callback and the calls so far.
        permissions: The permissions to ask for; None for the default ones.
        keep_key: Called with a new key before anything else is sent.
    """

    client: Any
    heard: list[Heard]
    terminal: Terminal
    secrets: Secrets
    record: Record
    permissions: Iterable[str] | None
    keep_key: Callable[[ApiKey], object] = lambda _key: None

    def lead(self) -> None:
        """Take all steps; stop if there is no callback or no token."""
        query, state = self._sign_in()
        if not query:
            self.record.stopped = "no callback was pasted"
            return
        token = self._exchange(query, state)
        if token is None:
            self.record.stopped = "there is no token"
            return
        fresh = self._refresh(token)
        self._key(fresh or token)
        self._use_twice(token, fresh, query)

    # --- the steps --------------------------------------------------------------------------------

    def _sign_in(self) -> tuple[str, str]:
        """Ask the person to sign in; return the callback's query and the state that was sent.

        The query is empty if the person pasted no callback.
        """
        url, state = self.client.create_authorization_url()
        self.secrets.add(state)
        say = self.terminal.say
        say("Step 1: sign in. Open this address in a browser, sign in at KuCoin, and approve:")
        self.terminal.show(url)
        say(
            "KuCoin then sends the browser to your redirect URI. No server must answer there, "
            "because it would use up the code, so the browser should show an error page. Copy the "
            "whole address from the browser's address bar. If KuCoin sent a form by POST, copy the "
            "form's content from the browser's network tools."
        )
        for _ in range(_PASTES):
            pasted = self.terminal.ask_hidden("Paste it here (it is not shown):")
            query, place = _query_of(pasted)
            pairs = parse_qsl(query, keep_blank_values=True)
            if _OF_CALLBACK & {name for name, _ in pairs}:
                self._note_landing(pairs, state, place=place)
                return query, state
            if not pasted:
                break
            say("This is not KuCoin's callback: it has no code, no error and no success.")
        return "", state

    def _note_landing(self, pairs: list[tuple[str, str]], state: str, *, place: str) -> None:
        values = dict(pairs)
        shown = {"success", "msg", "retry", "error", "error_description"}
        if values.get("success") == "false":
            shown.add("code")  # an error code
        self.secrets.add(*(value for name, value in pairs if name not in shown))
        self.record.landing = Landing(
            names=tuple(name for name, _ in pairs),
            place=place,
            same_state=values.get("state") == state,
            success=values.get("success"),
            code=alphabet(values.get("code", "")),
        )

    def _exchange(self, query: str, state: str) -> KuCoinToken | None:
        self.terminal.say("Step 2: exchange the code, and ask KuCoin if the token is valid.")
        response = f"{self.client.redirect_uri}?{query}"
        token = self._attempt(
            "exchange",
            lambda: self.client.perform(
                self.client.token_call(authorization_response=response, state=state)
            ),
        )
        if token is not None:
            self._validate("validation", token)
        return token

    def _refresh(self, token: KuCoinToken) -> KuCoinToken | None:
        self.terminal.say(
            "Step 3: refresh the token, and ask KuCoin whether the old token is still valid."
        )
        fresh = self._attempt(
            "refresh",
            lambda: self.client.perform(calls.refresh_call(self.client.site, token=token)),
        )
        if fresh is not None:
            self._validate("validation of the old token", token)
            self._validate("validation of the new token", fresh)
        return fresh

    def _key(self, token: KuCoinToken) -> None:
        say = self.terminal.say
        say(
            "Step 4: ask KuCoin for an API key. KuCoin makes it in the account that has just "
            "signed in, and its permissions are real."
        )
        if self.terminal.ask("Type yes to ask for a key:").lower() != "yes":
            say("The rehearsal asks for no key.")
            return
        key = self._attempt(
            "key",
            lambda: self.client.create_api_key(token["access_token"], permissions=self.permissions),
        )
        error = self.record.exchanges[-1].error
        if isinstance(error, ApiKeyOutcomeUnknown):
            say(str(error))
        if key is not None:
            self.secrets.add(key.api_key, key.secret, key.passphrase)
            self.keep_key(key)
            self._attempt("key info", lambda: self.client.get_api_key_info(key))

    def _use_twice(self, token: KuCoinToken, fresh: KuCoinToken | None, query: str) -> None:
        """Use the old refresh token and the code again.

        The old refresh token is used only if the refresh gave a new one. This step comes last,
        because it can invalidate the new token pair.
        """
        self.terminal.say(
            "Step 5: use the old refresh token and the code again. KuCoin should refuse both."
        )
        old = token.get("refresh_token")
        if fresh is not None and old and old != fresh.get("refresh_token"):
            # Not client.refresh_token(), which can return a pair from memory and send nothing.
            self._attempt(
                "second refresh",
                lambda: self.client.perform(
                    calls.refresh_call(self.client.site, token={"refresh_token": old})
                ),
            )
            self._validate("validation after the second refresh", fresh)
        code = dict(parse_qsl(query, keep_blank_values=True))["code"]
        self._attempt(
            "second exchange",
            lambda: self.client.perform(self.client.token_call(code=code)),
        )

    # --- one call ---------------------------------------------------------------------------------

    def _validate(self, name: str, token: KuCoinToken) -> None:
        self._attempt(name, lambda: self.client.validate_access_token(token["access_token"]))

    def _attempt(self, name: str, send: Callable[[], T]) -> T | None:
        """Make a call, and record its answer, result and error. Return the result.

        After an error of this package, the result is None. Other errors are raised.
        """
        self.heard.clear()
        result: T | None = None
        error: Exception | None = None
        try:
            result = send()
        except (KuCoinError, UnsafeRedirectURI) as raised:
            error = raised
        answer = Answer(self.heard[-1]) if self.heard else None
        if answer is not None:
            self.secrets.add(*answer.heard.call.secrets)
            self.secrets.add_all_of(answer.content)
        exchange = Exchange(name, answer, result, error)
        self.record.exchanges.append(exchange)
        self.terminal.say(self.secrets.masked(f"{name}: {_outcome(exchange)}"), indent="  ")
        return result


def _outcome(exchange: Exchange) -> str:
    if exchange.error is not None:
        return f"{type(exchange.error).__name__}. {exchange.error}"
    status = exchange.answer.heard.status if exchange.answer else None
    said = f", {exchange.result}" if isinstance(exchange.result, bool) else ""
    return f"HTTP {status}, the library can read the answer{said}"


def _query_of(pasted: str) -> tuple[str, str]:
    """Return the parameters of a callback, and where they were: "query", "fragment" or "form".

    The callback can be pasted as a URL or as a form's content.
    """
    if "://" not in pasted and "?" not in pasted:
        return pasted, "form"
    try:
        parts = urlsplit(pasted)
    except ValueError:
        return "", "query"
    if not parts.query and "=" in parts.fragment:
        return parts.fragment, "fragment"
    return parts.query, "query"
