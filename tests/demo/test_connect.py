"""The main path, without a browser: sign in, connect, see the account, and ways to fail."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

import authlib_kucoin
from authlib_kucoin.sandbox import Sandbox, run_sandbox
from flask_demo import ledger
from flask_demo.permissions import fewer
from tests.demo.apps import Clock, MakeApp
from tests.demo.visitor import Visitor, text_of


def test_connect(alice: Visitor, sandbox: Sandbox) -> None:
    """A connect creates, stores and checks one key; the page shows the account and permissions."""
    login_page = alice.begin()
    assert login_page.startswith(f"{sandbox.url}/oauth?response_type=code&client_id=sandbox-client")
    assert "&redirect_uri=http://localhost/kucoin/callback&" in login_page
    response = alice.get(alice.approve(login_page))
    assert (response.status_code, response.location) == (303, "/kucoin/attempts/1")
    page = text_of(alice.get("/kucoin/attempts/1"))
    assert "Your KuCoin account 165111215 is connected" in page
    assert "InnerTransfer Move funds between the account's own wallets No Yes" in page
    assert sandbox.totals == {
        "authorize": 1,
        "decision": 1,
        "token": 1,
        "create_api_key": 1,
        "api_key_info": 1,
    }
    index = text_of(alice.get("/"))
    assert "Account 165111215" in index
    assert sandbox.issued_keys[0].api_name in index


def test_cancel(alice: Visitor, sandbox: Sandbox) -> None:
    """After Cancel at KuCoin, the page says that no key was created, and no code is exchanged."""
    page = text_of(alice.follow(alice.get(alice.cancel(alice.begin()))))
    assert "Your account was not connected" in page
    assert "The user cancelled the authorization." in page
    assert "No key was created" in page
    assert "token" not in sandbox.totals


def test_signed_out(app: Flask, sandbox: Sandbox) -> None:
    """Without a sign-in, four routes redirect to the sign-in, whose URL holds no code."""
    nobody = Visitor(app, sandbox)
    assert "Sign in" in nobody.get("/").text
    for response in (
        nobody.post("/kucoin/connect"),
        nobody.get("/kucoin/callback?code=a&state=b"),
        nobody.get("/kucoin/attempts/1"),
        nobody.post("/kucoin/keys/1/check"),
    ):
        assert (response.status_code, response.location) == (303, "/")
    assert "Please sign in first" in text_of(nobody.get("/"))
    assert sandbox.totals == {}


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "a\0b", "a\nb"])
def test_odd_names(app: Flask, sandbox: Sandbox, name: str) -> None:
    """A name that is empty, blank, too long (over 64 characters) or not printable is refused."""
    response = Visitor(app, sandbox).post("/login", username=name)
    assert response.status_code == 400
    assert "A name has 1 to 64 letters" in text_of(response)


LIMIT = "envelope:1:The number of user's apiKey reaches to the maximum level"


@pytest.mark.parametrize(
    ("operation", "fault", "title", "created"),
    [
        ("token", "503", "KuCoin cannot be reached", "No key was created"),
        ("token", "429", "KuCoin cannot be reached", "No key was created"),
        ("token", "envelope:1:nope", "KuCoin did not accept the approval", "No key was created"),
        ("token", "html", "KuCoin's answer was damaged", "No key was created"),
        ("create_api_key", LIMIT, "no room for another key", "No key was created"),
        ("create_api_key", "envelope:1:Repeated apiName", "this name already exists", "No key was"),
        ("create_api_key", "envelope:40503:risk validation", "were not granted", "No key was"),
        ("create_api_key", "envelope:1:nope", "refused to create a key", "No key was created"),
        ("create_api_key", "429", "KuCoin cannot be reached", "No key was created"),
        ("create_api_key", "lost", "Please look in your KuCoin account", "A key may exist"),
        ("create_api_key", "truncated", "Please look in your KuCoin account", "A key may exist"),
        ("create_api_key", "503", "Please look in your KuCoin account", "A key may exist"),
    ],
)
def test_failures(
    alice: Visitor, sandbox: Sandbox, *, operation: str, fault: str, title: str, created: str
) -> None:
    """If no token or key is received, a page says why, whether a key may exist, and what to do."""
    sandbox.fail_next(operation, fault)
    page = text_of(alice.connect())
    assert title in page
    assert created in page
    assert "What to do" in page
    assert "Begin again" in page
    assert sandbox.totals.get("create_api_key", 0) <= 1
    assert "No account is connected" in text_of(alice.get("/"))


def test_every_error_has_words(alice: Visitor) -> None:
    """The pages of eleven error classes have ten titles.

    KuCoinError and AuthorizationDenied share a title. Each page shows KuCoin's message and not the
    library's own text.
    """
    titles = {}
    errors = [
        *("KuCoinError", "AuthorizationDenied", "TokenError", "ReauthorizationRequired"),
        *("ApiKeyError", "ApiKeyNameTaken", "ApiKeyLimitReached", "PermissionMismatch"),
        *("ApiKeyOutcomeUnknown", "KuCoinUnavailable", "MalformedResponse"),
    ]
    for name in errors:
        with alice.app.app_context():
            attempt = ledger.start(1)
            error = getattr(authlib_kucoin, name)
            ledger.fail(attempt, error("for developers", operation="token", msg="what happened"))
        page = alice.get(f"/kucoin/attempts/{attempt.id}")
        assert "what happened" in page.text
        assert "for developers" not in page.text
        titles[page.text.partition("<h1>")[2].partition("</h1>")[0]] = name
    # AuthorizationDenied and KuCoinError have the same title: "not connected".
    assert len(titles) == len(errors) - 1


def test_check_fails_and_key_stays(alice: Visitor, sandbox: Sandbox) -> None:
    """A key whose first check fails is stored anyway, and a later check succeeds."""
    sandbox.fail_next("api_key_info", "503")
    page = text_of(alice.connect())
    assert "Your key is stored, but its check failed" in page
    assert "KuCoin does not answer at the moment" in page
    assert "API_SPOT" in page
    assert "Check failed" in text_of(alice.get("/"))
    response = alice.post("/kucoin/keys/1/check")
    assert (response.status_code, response.location) == (303, "/?checked=1#key-1")
    assert "Account 165111215" in text_of(alice.get("/"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"reported_permissions": ["General", "Spot", "Transfer"]},
            "can withdraw funds (Transfer)",
        ),
        ({"reported_permissions": ["General", "Spot", "Earn"]}, "more than we need: Earn."),
        ({"reported_permissions": ["General"]}, "lacks Spot"),
        ({"ip_whitelist": []}, "works from any IP address"),
    ],
)
def test_warnings(make_app: MakeApp, options: dict[str, list[str]], said: str) -> None:
    """If KuCoin reports a key that differs from the expected one, the page says how it differs."""
    with run_sandbox(**options) as sandbox:
        alice = Visitor(make_app(KUCOIN_SITE=sandbox.url), sandbox, "alice")
        assert said in text_of(alice.connect())


def test_no_warning(make_app: MakeApp) -> None:
    """A key that is as expected is shown without a warning, with its IP addresses."""
    with run_sandbox(
        reported_permissions=["General", "Spot"],
        ip_whitelist=["127.0.0.1"],
        lists="list",
        sub_name="bot",
    ) as sandbox:
        alice = Visitor(make_app(KUCOIN_SITE=sandbox.url), sandbox, "alice")
        page = alice.connect()
        assert "warning" not in page.text
        assert "IP addresses 127.0.0.1" in text_of(page)
        assert "sub-account bot" in text_of(alice.get("/"))


def test_expected_permissions_are_a_setting(make_app: MakeApp, sandbox: Sandbox) -> None:
    """KUCOIN_EXPECTED_PERMISSIONS decides which permissions are reported as too many."""
    app = make_app(KUCOIN_EXPECTED_PERMISSIONS="General, Spot, Earn, Margin")
    page = text_of(Visitor(app, sandbox, "alice").connect())
    assert "more than we need: InnerTransfer." in page


def test_attempts_are_paged(alice: Visitor) -> None:
    """The first page lists the latest ten attempts, and links lead to older and newer ones.

    An unusable id in the address of the older ones causes no error.
    """
    for _ in range(12):
        alice.begin()
    page = alice.get("/")
    numbers = re.findall(r"/kucoin/attempts/(\d+)", page.text)
    assert numbers == [str(number) for number in range(12, 2, -1)]
    older = re.search(r'href="(/\?before=\d+)#attempts"', page.text)
    assert older
    page = alice.get(older[1])
    assert re.findall(r"/kucoin/attempts/(\d+)", page.text) == ["2", "1"]
    newer = re.search(r'href="(/\?after=\d+)#attempts"', page.text)
    assert newer
    page = alice.get(newer[1])
    assert re.findall(r"/kucoin/attempts/(\d+)", page.text) == numbers
    assert "Older" in page.text
    assert "Newer" not in page.text
    for odd in ("99999999999999999999", "x", "-5", ""):
        assert alice.get(f"/?before={odd}").status_code == 200


def test_only_the_owner_sees_a_row(alice: Visitor, app: Flask, sandbox: Sandbox) -> None:
    """Another user's attempt or key is a 404, like an attempt that does not exist."""
    alice.connect()
    mallory = Visitor(app, sandbox, "mallory")
    assert mallory.get("/kucoin/attempts/1").status_code == 404
    for action in ("check", "rotate", "disconnect"):
        assert mallory.post(f"/kucoin/keys/1/{action}").status_code == 404
    assert "165111215" not in mallory.get("/").text
    assert "Account 165111215" in text_of(alice.get("/"))
    for number in ("0", "2", "99999999999999999999"):
        assert alice.get(f"/kucoin/attempts/{number}").status_code == 404


def test_disconnect(alice: Visitor) -> None:
    """Disconnect deletes the credentials; the page asks the user to delete the key at KuCoin."""
    alice.connect()
    page = text_of(alice.follow(alice.post("/kucoin/keys/1/disconnect")))
    assert "are deleted here" in page
    assert "Delete the key “Example Broker-1” in API management of account 165111215" in page
    assert "No account is connected" in page
    assert "replaced or disconnected since" in text_of(alice.get("/kucoin/attempts/1"))


def test_left_attempts(alice: Visitor, clock: Clock) -> None:
    """A callback over 15 minutes after Connect finds the attempt expired, and the page says so."""
    path = alice.approve(alice.begin())
    assert "KuCoin is waiting for you" in text_of(alice.get("/kucoin/attempts/1"))
    clock.advance(15 * 60 + 2)
    page = text_of(alice.follow(alice.get(path)))
    assert "This attempt has expired" in page
    assert "token" not in alice.sandbox.totals


@pytest.fixture
def fast_api_2(make_app: MakeApp) -> MakeApp:
    """A function that makes the demo with Fast API 2."""
    return lambda **more: make_app(KUCOIN_FAST_API="2", **more)


def test_fast_api_2(fast_api_2: MakeApp) -> None:
    """With Fast API 2 the key has the permissions that were asked for, and no warning is shown."""
    with run_sandbox(ip_whitelist=["127.0.0.1"]) as sandbox:
        app = fast_api_2(KUCOIN_SITE=sandbox.url, KUCOIN_PERMISSIONS="API_COMMON,API_MARGIN")
        page = Visitor(app, sandbox, "alice").connect()
        assert "is connected" in text_of(page)
        assert "warning" not in page.text
        assert sandbox.keys[0].permissions == ("API_COMMON", "API_MARGIN")


def test_fewer_permissions(fast_api_2: MakeApp) -> None:
    """If KuCoin refuses futures, the page says so, and connecting with fewer permissions works."""
    wanted = ["API_COMMON", "API_SPOT", "API_FUTURES"]
    with run_sandbox(futures_opened=False, permissions=wanted) as sandbox:
        app = fast_api_2(KUCOIN_SITE=sandbox.url, KUCOIN_PERMISSIONS=",".join(wanted))
        alice = Visitor(app, sandbox, "alice")
        page = text_of(alice.connect())
        assert "The permissions were not granted" in page
        assert "We asked for General, Spot, Futures" in page
        assert "Connect with fewer" in page
        login_page = alice.post("/kucoin/connect", fewer_than="1").location
        page = text_of(alice.follow(alice.get(alice.approve(login_page))))
        assert "is connected" in page
        assert "lacks Futures" in page
        # The id of an attempt that did not fail, and three values that are no id, lead to KuCoin.
        for odd in ("2", "9" * 20, "x", "-1"):
            assert alice.post("/kucoin/connect", fewer_than=odd).status_code == 302
        # Attempt 3 asked for one permission, so nothing is left to ask for.
        assert alice.post("/kucoin/connect", fewer_than="3").location == "/kucoin/attempts/3"


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (["API_FUTURES", "API_SPOT", "API_COMMON"], ["API_COMMON", "API_SPOT"]),
        (["API_SPOT", "API_COMMON"], ["API_COMMON"]),
        (["API_COMMON", "API_COMMON"], []),
        (["API_FUTURES"], []),
    ],
)
def test_fewer_in_any_order(asked: list[str], left: list[str]) -> None:
    """Which permissions are left depends neither on the order nor on repeated names."""
    assert fewer(asked) == left


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key_days": 20}, "This key expires within 30 days"),
        ({"key_days": 40}, ""),
        ({"key_info": {"siteType": "australia"}}, "another KuCoin site (australia)"),
        ({"key_info": {"siteType": "global"}}, ""),
    ],
)
def test_life_of_a_key(make_app: MakeApp, options: dict[str, Any], said: str) -> None:
    """A key with 20 days left or of another site causes a warning; 40 days or this site do not."""
    permissions = ["API_COMMON", "API_SPOT"]
    with run_sandbox(permissions=permissions, ip_whitelist=["127.0.0.1"], **options) as sandbox:
        app = make_app(KUCOIN_SITE=sandbox.url)
        app.config["KUCOIN_SITE"] = "global"  # the site that key info is compared with
        page = Visitor(app, sandbox, "alice").connect()
    assert ("warning" in page.text) is bool(said)
    assert said in text_of(page)
