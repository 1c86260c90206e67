"""`rehearse` leads through a first sign-in, and reports deviations, but no secret."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from authlib_kucoin.__main__ import main, parser
from authlib_kucoin._tools import rehearse
from authlib_kucoin._tools.rehearse import _version
from authlib_kucoin.sandbox import Sandbox, SandboxKeywords
from tests.support.wire import Wire

from .examined import RIGHT
from .rehearsed import Change, Deviant, Person, Rehearsed, Reply, rehearsed


@pytest.fixture
def deviant(kucoin_sandbox: Sandbox) -> Iterator[Deviant]:
    """A sandbox behind a proxy that changes no answer until a test says so."""
    with Wire() as wire:
        yield Deviant(kucoin_sandbox, wire)


@pytest.fixture
def run(deviant: Deviant, tmp_path: Path) -> Callable[..., Rehearsed]:
    """Return a function that runs a rehearsal, and changes answers to the named operations."""

    def run(*arguments: str, person: Person | None = None, **changes: Change) -> Rehearsed:
        deviant.changes = changes
        return rehearsed(deviant, tmp_path, person or Person(deviant), *arguments)

    return run


@pytest.mark.parametrize("library", ["requests", "httpx2"])
def test_as_the_document_says(
    library: str, run: Callable[..., Rehearsed], deviant: Deviant
) -> None:
    """With each HTTP library, the report shows no deviation, and answers every question."""
    result = run("--library", library)
    agents = {seen.header("user-agent").partition("/")[0] for seen in deviant.wire.seen}
    assert agents == {f"python-{library}"}
    assert result.differences == []
    assert result.status == 0
    assert [answer["name"] for answer in result.report["answers"]] == [
        "exchange",
        "validation",
        "refresh",
        "validation of the old token",
        "validation of the new token",
        "key",
        "key info",
        "second refresh",
        "validation after the second refresh",
        "second exchange",
    ]
    assert result.report["still_unknown"] == []
    assert result.learnt["Does a refresh give a new refresh token?"].startswith("yes")
    assert result.learnt["Is the old access token dead after a refresh?"] == "dead at once"
    assert result.learnt["Which form does scope have?"] == "a JSON list of 1"
    assert result.learnt["Can a refresh token be used twice?"].startswith("no: HTTP 200, KuCoin's")
    assert result.learnt["Does KuCoin want a client secret?"] == (
        "the exchange without a client secret was accepted"
    )


def _set(**members: Any) -> Change:
    return lambda reply: reply.content.update(members)


def _data(**members: Any) -> Change:
    return lambda reply: reply.content["data"].update(members)


def _without(name: str) -> Change:
    return lambda reply: reply.content.pop(name, None)


def _wrap(reply: Reply) -> None:
    reply.content = {"success": True, "code": "200", "msg": "success", "data": reply.content}


def _raw(body: str, status: int = 200, **headers: str) -> Change:
    def change(reply: Reply) -> None:
        reply.raw, reply.status = body, status
        reply.headers.update({name.replace("_", "-"): value for name, value in headers.items()})

    return change


def _kept(reply: Reply) -> None:
    if "refresh_token" in reply.content:
        reply.content["refresh_token"] = reply.asked["refresh_token"]


def _oauth_refusals(reply: Reply) -> None:
    if reply.content.get("success") is False:
        reply.status, reply.content = 400, {"error": "invalid_grant"}


def _same_access_token(reply: Reply) -> None:
    reply.content["access_token"] = reply.first["access_token"]


class Deviation(NamedTuple):
    """A change of an operation's answers, and the text about it in the report."""

    operation: str
    change: Change
    says: str


DEVIATIONS = {
    "scope as text": Deviation(
        "token", _set(scope="OAUTH_CREATE_API"), "exchange: scope is a string, where the document"
    ),
    "no refresh token": Deviation(
        "token", _without("refresh_token"), "exchange: refresh_token is missing."
    ),
    "lifetime as text": Deviation(
        "token", _set(expires_in="3600"), "exchange: expires_in is a string"
    ),
    "other lifetime": Deviation(
        "refresh", _set(expires_in=7200), "refresh: expires_in is 7200, where the document has 3600"
    ),
    "other token type": Deviation(
        "token", _set(token_type="Bearer"), 'token_type is Bearer, where the document has "bearer"'
    ),
    "wrapped token": Deviation("token", _wrap, "exchange: The answer is in an envelope"),
    "one member more": Deviation(
        "token", _set(openid="4fd1c0"), "exchange: openid is not in the document (string)."
    ),
    "another status": Deviation(
        "validate", lambda reply: setattr(reply, "status", 201), "validation: HTTP status 201"
    ),
    "HTML": Deviation(
        "validate",
        _raw("<!doctype html><p>Just a moment", Content_Type="text/html"),
        "validation: The body is HTML.",
    ),
    "other content type": Deviation(
        "refresh",
        lambda reply: reply.headers.update({"Content-Type": "text/plain"}),
        "refresh: Content-Type text/plain, not JSON's type.",
    ),
    "redirect": Deviation(
        "refresh",
        _raw("", 302, Location="https://other.example.com/x"),
        "refresh: It redirects (HTTP 302) to other.example.com.",
    ),
    "validity as text": Deviation(
        "validate", _set(is_valid="true"), "validation: is_valid is a string"
    ),
    "old token alive": Deviation(
        "validate", _set(is_valid=True), "The old access token is valid after a refresh"
    ),
    "dead from the start": Deviation(
        "validate", _set(is_valid=False), "a token that was just issued is not valid"
    ),
    "a member twice": Deviation(
        "token",
        _raw('{"scope": [], "scope": []}', Content_Type="application/json"),
        "exchange: One object has the member scope twice.",
    ),
    "another code of success": Deviation(
        "create_api_key", _set(code="0"), 'key: code is 0, where the document has "200".'
    ),
    "code as a number": Deviation("create_api_key", _set(code=200), "key: code is a number"),
    "no passphrase": Deviation(
        "create_api_key",
        lambda reply: reply.content["data"].pop("passphrase"),
        "key: data.passphrase is missing.",
    ),
    "addresses as a list": Deviation(
        "create_api_key", _data(ipWhiteList=[]), "key: data.ipWhiteList is a list of strings"
    ),
    "uid as text": Deviation("api_key_info", _data(uid="165111215"), "data.uid is a string"),
    "one more in key info": Deviation(
        "api_key_info", _data(tradeLevel=1), "key info: data.tradeLevel is not in the document"
    ),
    "withdrawals": Deviation(
        "api_key_info", _data(permission="General,Transfer"), "The key can withdraw"
    ),
    "other form of refusals": Deviation(
        "refresh", _oauth_refusals, "second refresh: The refusal has another form"
    ),
    "a list": Deviation(
        "validate",
        _raw("[]", Content_Type="application/json"),
        "validation: The body is JSON that is no object, but a list of strings.",
    ),
    "a reset": Deviation(
        "refresh",
        lambda reply: setattr(reply, "lost", True),
        "refresh: No complete answer came: ConnectionError",
    ),
    "the old token again": Deviation(
        "refresh", _same_access_token, "A refresh returns the old access token"
    ),
    "a code twice": Deviation(
        "token",
        lambda reply: setattr(reply, "content", dict(reply.first)),
        "A code can be used twice",
    ),
    "other addresses": Deviation(
        "api_key_info", _data(ipWhitelist="203.0.113.7"), "ipWhitelist of key info differ"
    ),
    "odd optional member": Deviation(
        "api_key_info", _data(subName=7), "subName is a number, where other clients expect a string"
    ),
    "failing": Deviation("create_api_key", _raw("", 503), "key: HTTP status 503"),
}


@pytest.mark.parametrize("deviation", DEVIATIONS.values(), ids=DEVIATIONS)
def test_each_deviation_is_named(deviation: Deviation, run: Callable[..., Rehearsed]) -> None:
    """Both reports name the deviation, and the exit code is 1."""
    result = run(**{deviation.operation: deviation.change})
    assert [each for each in result.differences if deviation.says in each]
    assert deviation.says in result.markdown
    assert result.status == 1


@pytest.mark.parametrize(
    ("operation", "change", "question", "answer"),
    [
        (
            "refresh",
            _kept,
            "Does a refresh give a new refresh token?",
            "no: the refresh token stays the same",
        ),
        (
            "create_api_key",
            _data(authGroup=["API_SPOT"]),
            "Which form does authGroup have?",
            "JSON list",
        ),
        ("validate", _raw("", 404), "Does the validation call work", "the answer cannot be used"),
        ("token", _set(scope=7), "Which form does scope have?", "a number"),
        (
            "refresh",
            _without("refresh_token"),
            "Does a refresh give a new refresh token?",
            "so the old one still applies",
        ),
        (
            "api_key_info",
            lambda reply: _data(expiredAt=reply.content["data"]["createdAt"] + 90 * 86_400_000)(
                reply
            ),
            "When does the key expire?",
            "90 days after",
        ),
        (
            "api_key_info",
            lambda reply: setattr(reply, "content", {"code": "400003", "msg": "no key"}),
            "Which form do errors have?",
            'key info: HTTP 200, an envelope without success, code "400003"',
        ),
        (
            "token",
            lambda reply: reply.headers.update({"Date": "soon"}),
            "How far is this machine's clock",
            "the header Date holds no date",
        ),
        (
            "token",
            lambda reply: reply.headers.update({"Set-Cookie": "edge=1"}),
            "Do answers set cookies?",
            "yes, on exchange",
        ),
    ],
)
def test_what_is_learnt(
    operation: str, change: Change, question: str, answer: str, run: Callable[..., Rehearsed]
) -> None:
    """The report answers open questions by what the answers show."""
    learnt = run(**{operation: change}).learnt
    assert [said for asked, said in learnt.items() if question in asked and answer in said]


class TestReusableTokens:
    """A sandbox that accepts a refresh token twice."""

    @pytest.fixture
    def kucoin_sandbox_options(self) -> SandboxKeywords:
        """Let refresh tokens work more than once."""
        return {"refresh_tokens": "reusable"}

    def test_it_is_learnt(self, run: Callable[..., Rehearsed]) -> None:
        """The report says that the second use works, and whether it ends the new pair of tokens."""
        learnt = run().learnt
        assert learnt["Can a refresh token be used twice?"] == "yes: it gave a pair a second time"
        ended = learnt["Does the second use invalidate the new pair?"]
        assert ended == "no: the new pair is still valid"


@pytest.mark.parametrize("callback", ["envelope", "form_post"])
class TestCallbacks:
    """A sandbox that sends the callback as an envelope: in the query, or as a form by POST."""

    @pytest.fixture
    def kucoin_sandbox_options(self, callback: Any) -> SandboxKeywords:
        """Let the sandbox send the callback as the parameter ``callback`` says."""
        return {"callback": callback}

    def test_it_is_learnt(self, callback: str, run: Callable[..., Rehearsed]) -> None:
        """The report says that the callback is an envelope, and came in the query or in a form."""
        result = run()
        assert result.differences == []
        form = result.learnt["In which form does the callback come?"]
        place = "form" if callback == "form_post" else "query"
        assert form.startswith(f"enveloped (section 7.1), in the {place}, with success, code")

    def test_a_refusal(
        self, callback: str, run: Callable[..., Rehearsed], deviant: Deviant
    ) -> None:
        """After a cancel, the rehearsal ends; the report names error and callback parameters."""
        person = Person(deviant)
        person.decide = deviant.sandbox.cancel
        result = run(person=person)
        assert result.status == 1
        assert result.report["stopped"] == "there is no token"
        assert "AuthorizationDenied" in result.report["answers"][0]["verdict"]
        assert "success" in result.learnt["In which form does the callback come?"]


def test_another_state(run: Callable[..., Rehearsed], deviant: Deviant) -> None:
    """If the callback has another state than the login, the report says so, and nothing is sent."""
    person = Person(deviant)
    person.edit = lambda pasted: re.sub(r"state=\w+", "state=0therState", pasted)
    result = run(person=person)
    assert [each for each in result.differences if "state is not the one that was sent" in each]
    assert deviant.wire.seen == []


def test_nothing_pasted(run: Callable[..., Rehearsed], deviant: Deviant) -> None:
    """After three pastes that are no callback, the rehearsal ends and writes the report."""
    person = Person(deviant)
    person.edit = lambda _pasted: "https://broker.example.com/?utm=1"
    result = run(person=person)
    assert result.report["stopped"] == "no callback was pasted"
    assert result.said.count("This is not KuCoin's callback") == 3


@pytest.mark.parametrize("pasted", ["", "https://[broker/?code=1"])
def test_what_cannot_be_pasted(
    pasted: str, run: Callable[..., Rehearsed], deviant: Deviant
) -> None:
    """After an empty paste, or an invalid URL at each try, the rehearsal ends."""
    person = Person(deviant)
    person.edit = lambda _pasted: pasted
    assert run(person=person).report["stopped"] == "no callback was pasted"


def test_a_fragment(run: Callable[..., Rehearsed], deviant: Deviant) -> None:
    """If the parameters are in the URL's fragment, the rehearsal uses them and reports that."""
    person = Person(deviant)
    person.edit = lambda pasted: pasted.replace("?", "#")
    result = run(person=person)
    assert "in the fragment" in result.learnt["In which form does the callback come?"]
    assert result.status == 0


def test_ctrl_c(run: Callable[..., Rehearsed], deviant: Deviant) -> None:
    """After Ctrl-C at the question about the key, the report holds the answers so far."""
    person = Person(deviant)

    def interrupt(_question: str) -> str:
        raise KeyboardInterrupt

    person.ask = interrupt  # type: ignore[method-assign]
    result = run(person=person)
    assert result.report["stopped"] == "it was interrupted"
    assert "Does a refresh give a new refresh token?" in result.learnt


def test_no_key_without_a_yes(run: Callable[..., Rehearsed], deviant: Deviant) -> None:
    """If a person types "y" and not "yes", no key is made, and the other steps are taken."""
    result = run(person=Person(deviant, types="y"))
    assert deviant.sandbox.issued_keys == ()
    assert result.status == 0
    assert "Which form does authGroup have?" in result.report["still_unknown"]
    assert "Can a code be used twice?" in result.learnt


def test_secrets_that_answers_repeat(run: Callable[..., Rehearsed]) -> None:
    """The reports mask a token, unknown secrets and IP addresses in an answer's texts and names."""

    def repeat(reply: Reply) -> None:
        if reply.content.get("access_token"):
            token, other = reply.content["access_token"], "Zq81mNw0Pk33uTe6Rb52"
            reply.content["msg"] = (
                f"{token}, {other}, Qm4kT7xW2pLs9vYd and swordfish "
                "from 203.0.113.7, 2001:DB8:0:1::5 and fe80::7"
            )
            reply.content["swordfish"] = "swordfish"
            reply.content[other] = [other, 7]
            reply.headers[f"X-{other}"] = other

    result = run(token=repeat, refresh=repeat)
    written = json.dumps(result.report) + result.markdown
    assert "***, ***, *** and *** from (an address), (an address) and (an address)" in written
    assert "Zq81mNw0Pk33uTe6Rb52".lower() not in written.lower()
    assert "203.0.113.7" not in written
    assert "2001:DB8" not in written
    assert "fe80" not in written
    assert "swordfish" not in written
    assert "exchange: (an odd name) is not in the document (list)." in result.differences


def test_names_that_answers_repeat(run: Callable[..., Rehearsed]) -> None:
    """An account's name and uid are masked in KuCoin's messages, not in the report's sentences."""

    def repeat(reply: Reply) -> None:
        reply.content["data"] |= {"subName": "document", "uid": 165111215}
        reply.content["msg"] = "document 165111215 is fine"

    result = run(api_key_info=repeat)
    (members,) = [a["members"] for a in result.report["answers"] if a["name"] == "key info"]
    assert [member["value"] for member in members if member["path"] == "msg"] == ["*** *** is fine"]
    assert "differs from the document" in result.markdown


def test_the_settings_of_an_app(
    deviant: Deviant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --app, the site and redirect URI of the application are used.

    Without --report, the name of the Markdown report begins with kucoin-rehearsal.
    """
    (tmp_path / "rehearsed_shop.py").write_text(
        "from authlib.integrations.flask_client import OAuth\n"
        "from flask import Flask\n"
        "from authlib_kucoin import register_kucoin\n"
        "app = Flask('shop')\n"
        "options = {'redirect_uri': 'https://shop.example.com/back', 'timeout': 5}\n"
        f"register_kucoin(OAuth(app), site={deviant.wire.url!r}, client_id='sandbox-client',\n"
        "    client_kwargs=options)\n"
    )
    monkeypatch.chdir(tmp_path)
    options = parser().parse_args(["rehearse", "--app", "rehearsed_shop:app"])
    person = Person(deviant)
    assert rehearse.run(options, terminal=person) == 0
    assert "redirect_uri=https://shop.example.com/back&" in "\n".join(person.said)
    assert len(list(tmp_path.glob("kucoin-rehearsal-*.md"))) == 1


def test_an_unknown_outcome(run: Callable[..., Rehearsed]) -> None:
    """If the answer with the key cannot be read, the person is told to look at KuCoin."""
    result = run(create_api_key=_raw("{"))
    assert "API management page" in result.said
    assert "ApiKeyOutcomeUnknown" in result.markdown


class TestTheKey:
    """What `rehearse` does with a new key."""

    def test_it_is_dropped(self, run: Callable[..., Rehearsed], deviant: Deviant) -> None:
        """By default, the secret is not shown, and the person is told to delete the key."""
        result = run()
        (key,) = deviant.sandbox.issued_keys
        assert key.secret not in result.said
        assert "delete the key on KuCoin's API management page" in result.said

    def test_no_file_without_a_key(
        self, run: Callable[..., Rehearsed], deviant: Deviant, tmp_path: Path
    ) -> None:
        """If no key was asked for, the file for the key does not exist afterwards."""
        run("--key-file", str(tmp_path / "key.json"), person=Person(deviant, types="no"))
        assert not (tmp_path / "key.json").exists()

    def test_it_is_shown(self, run: Callable[..., Rehearsed], deviant: Deviant) -> None:
        """With --show-key, the terminal shows secret and passphrase once; the reports do not."""
        result = run("--show-key")
        (key,) = deviant.sandbox.issued_keys
        assert result.said.count(key.secret) == 1
        assert result.said.count(key.passphrase) == 1

    def test_it_is_kept(
        self,
        run: Callable[..., Rehearsed],
        deviant: Deviant,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        """With --key-file, the key is in a file that only its owner can read, and is not shown."""
        file = tmp_path_factory.mktemp("private") / "key.json"
        result = run("--key-file", str(file))
        (key,) = deviant.sandbox.issued_keys
        assert json.loads(file.read_text())["secret"] == key.secret
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert key.secret not in result.said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--client-id", ""), "No client id is set"),
        (("--client-id", " x"), "white space"),
        (("--site", ""), "No KuCoin site is set"),
        (("--redirect-uri", ""), "There is no redirect URI"),
        (("--app", "no_such_shop:app"), "No module named"),
        (("--key-file", "/nowhere/key"), "/nowhere/key cannot be made"),
        (("--report", "/nowhere/report"), "/nowhere/report.md cannot be made"),
    ],
)
def test_it_cannot_begin(
    arguments: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a wrong setting or file name, stderr says what is wrong, and the exit code is 2.

    No file is left.
    """
    monkeypatch.chdir(tmp_path)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    assert main(["rehearse", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def program(kucoin_sandbox: Sandbox, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts `python -m authlib_kucoin rehearse` as a process."""

    def start(**streams: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "authlib_kucoin", "rehearse", "--report", "mine"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "KUCOIN_SITE": kucoin_sandbox.url,
                "KUCOIN_CLIENT_ID": kucoin_sandbox.client_id,
                "KUCOIN_REDIRECT_URI": RIGHT["KUCOIN_REDIRECT_URI"],
            },
            text=True,
            **streams,  # type: ignore[arg-type]  # only streams
            start_new_session=True,
        )

    return start


def test_the_program(
    kucoin_sandbox: Sandbox, tmp_path: Path, program: Callable[..., subprocess.Popen[str]]
) -> None:
    """From a pipe, the program reads the callback and "yes", makes a key, and writes reports."""
    with program(stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin
        assert running.stdout
        line = ""
        while "/oauth?" not in line:
            line = running.stdout.readline()
            assert line
        running.stdin.write(f"{kucoin_sandbox.approve(line.strip())}\nyes\n")
        running.stdin.flush()
        rest = running.communicate(timeout=60)[0]
    assert running.returncode == 0
    assert len(kucoin_sandbox.issued_keys) == 1
    assert max(len(line) for line in rest.splitlines()) <= 100
    assert "Please read it and send" in rest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "mine.md"]


def _shown_until(terminal: int, words: str) -> str:
    """Read from a terminal until it shows these words, and return what it has shown."""
    shown = ""
    while words not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 4096).decode()
    return shown


def test_a_paste_is_not_shown(
    kucoin_sandbox: Sandbox, program: Callable[..., subprocess.Popen[str]]
) -> None:
    """A terminal does not show the code of a pasted callback, but shows what is typed later."""
    ours, theirs = pty.openpty()
    with program(stdin=theirs, stdout=theirs, stderr=theirs) as running:
        try:
            login = re.search(r"http://\S+/oauth\?\S+", _shown_until(ours, "(it is not shown): "))
            assert login
            callback = kucoin_sandbox.approve(login[0])
            os.write(ours, f"{callback}\n".encode())
            shown = _shown_until(ours, "ask for a key: ")
            os.write(ours, b"not now\n")
            shown += _shown_until(ours, "this package.")
            running.wait(30)
        finally:
            running.terminate()
            os.close(ours)
            os.close(theirs)
    assert callback.partition("?")[2].partition("&")[0] not in shown  # the code, encoded
    assert "not now" in shown
    assert "HTTP 200, the library can read the answer" in shown


def test_the_end_of_input_at_a_terminal(program: Callable[..., subprocess.Popen[str]]) -> None:
    """Ctrl-D instead of a callback ends the program without a traceback."""
    ours, theirs = pty.openpty()
    with program(stdin=theirs, stdout=theirs, stderr=theirs) as running:
        try:
            _shown_until(ours, "(it is not shown): ")
            os.write(ours, b"\x04")
            shown = _shown_until(ours, "this package.")
            assert running.wait(30) == 1
        finally:
            running.terminate()
            os.close(ours)
            os.close(theirs)
    assert "Traceback" not in shown


def test_versions() -> None:
    """The version of an installed package is returned; for a missing package, a text says so."""
    assert _version("authlib").startswith("1.")
    assert _version("no-such-package") == "(not installed)"
