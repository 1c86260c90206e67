"""The contenders: this package, stock Authlib, python-social-auth, hand-written code.

A sign-in exchanges a code and creates a key, by the calls that an application makes. What the
web framework does around them is not measured.
"""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Final, NamedTuple, Self

REDIRECT_URI: Final = "https://broker.example.com/kucoin/callback"
STATE: Final = "the-state"
CODE: Final = "the-authorization-code"
CALLBACK_QUERY: Final = f"code={CODE}&state={STATE}"

EXCHANGE_PATH: Final = "/_oauth/access-token"
REFRESH_PATH: Final = "/_oauth/refresh-token"
KEY_PATH: Final = "/_oauth/resource/ucenter/outer/api-key/add"
#: The exchange that KuCoin's document asks for, with the redirect URI unencoded.
EXCHANGE: Final = (
    f"{EXCHANGE_PATH}?grant_type=authorization_code&code={CODE}"
    f"&redirect_uri={REDIRECT_URI}&client_id=broker"
)
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}

_numbers: Final = itertools.count(1)


class Spent(NamedTuple):
    """The seconds that something took, by the clock and in CPU time of this process."""

    wall: float
    cpu: float


class Stopwatch:
    """Measures a ``with`` block."""

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.spent = Spent(wall - self._wall, cpu - self._cpu)


class Contender(ABC):
    """One way to sign users in.

    Args:
        url: The base URL of the server that stands for KuCoin.
    """

    name: str

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def sign_in(self) -> Spent:
        """Exchange a code and create a key."""

    @abstractmethod
    def refresh(self) -> Spent:
        """Refresh a token that was not refreshed before."""

    @abstractmethod
    def close(self) -> None:
        """Close open connections, if any. Later calls open new ones."""

    def sign_in_at_once(self, number: int) -> None:
        """Sign in ``number`` users at the same time."""
        start = threading.Barrier(number)

        def sign_in() -> None:
            start.wait()
            self.sign_in()

        threads = [threading.Thread(target=sign_in) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def register_stock(oauth: Any, url: str) -> Any:
    """Register KuCoin with stock Authlib, configured as far as possible."""
    return oauth.register(
        "kucoin",
        client_id="broker",
        api_base_url=url,
        authorize_url=f"{url}/oauth",
        access_token_url=url + EXCHANGE_PATH,
        access_token_params={"method": "GET"},
        client_kwargs={
            "scope": "OAUTH_CREATE_API",
            "token_endpoint_auth_method": "none",
            "timeout": 10,
        },
    )


def refresh_form() -> dict[str, str]:
    """Return a form with a refresh token that was not used before."""
    return {
        "grant_type": "authorization_code",
        "refresh_token": f"{next(_numbers):032x}",
        "scope": "OAUTH_CREATE_API",
    }


def check(value: str) -> None:
    """Raise if a value from the server's answer is empty."""
    if not value:
        raise RuntimeError("The server's answer lacks the expected value.")
