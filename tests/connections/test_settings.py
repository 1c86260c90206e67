"""Settings of connections: proxies and trusted certificates."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from authlib_kucoin import ConfigurationError
from tests.connections.apps import App, InFlask
from tests.support.wire import Wire


def test_proxy_of_the_environment_is_used(
    wire: Wire, new_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sign-ins send all four requests through the proxy, over one connection to the proxy."""
    monkeypatch.setenv("http_proxy", wire.url)
    kucoin = "http://127.0.0.1:9"  # nothing listens there
    app = new_app(kucoin)
    app.sign_in()
    app.sign_in()
    assert all(seen.target.startswith(f"{kucoin}/_oauth/") for seen in wire.seen)
    assert len(wire.seen) == 4
    assert wire.connections == 1


def test_no_proxy_hosts_are_called_directly(
    wire: Wire, new_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host in ``no_proxy`` is called directly, although a proxy is set."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    new_app(wire.url).sign_in()
    assert len(wire.seen) == 2


class Authority(NamedTuple):
    """A TLS server, and a file with its self-signed certificate, for clients to trust."""

    url: str
    bundle: Path


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Authority]:
    """Return a function that starts servers with TLS."""
    from benchmarks import _server
    from benchmarks.backend import make_certificate

    def new() -> Authority:
        folder = tmp_path_factory.mktemp("tls")
        certificate, bundle = folder / "server.pem", folder / "authorities.pem"
        make_certificate(certificate, bundle, trust_others=False)
        return Authority(f"https://127.0.0.1:{_server.start(str(certificate))}", bundle)

    return new


def _trust(kind: type[App], bundle: Path) -> dict[str, Any]:
    if kind is InFlask:
        return {"verify": str(bundle)}
    return {"verify": ssl.create_default_context(cafile=bundle)}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # one app below has verify=False
def test_each_app_trusts_only_its_own_authorities(
    new_server: Callable[[], Authority], new_app: Any, kind: type[App]
) -> None:
    """An app trusts only what its own settings say, whatever earlier apps trusted."""
    one, other = new_server(), new_server()
    for url, client_kwargs, succeeds in (
        (one.url, {}, False),
        (one.url, _trust(kind, one.bundle), True),
        (one.url, _trust(kind, other.bundle), False),
        (other.url, _trust(kind, other.bundle), True),
        (one.url, {"verify": False}, True),
        (one.url, {}, False),
    ):
        app = new_app(url, **client_kwargs)
        if succeeds:
            assert app.sign_in().secret
        else:
            with pytest.raises(ConfigurationError, match="is not trusted"):
                app.call("create_api_key", token="t")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_of_the_environment_are_trusted(
    new_server: Callable[[], Authority],
    new_app: Any,
    kind: type[App],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """REQUESTS_CA_BUNDLE has an effect with requests only, and SSL_CERT_FILE with httpx2 only."""
    server = new_server()
    monkeypatch.setenv(variable, str(server.bundle))
    app = new_app(server.url)
    if (variable == "REQUESTS_CA_BUNDLE") is (kind is InFlask):
        assert app.sign_in().secret
    else:
        with pytest.raises(ConfigurationError, match="is not trusted"):
            app.call("create_api_key", token="t")


def test_changed_authorities_file_is_read_again(
    new_server: Callable[[], Authority], tmp_path: Path
) -> None:
    """With requests, an app trusts a certificate that was added later to its authorities file."""
    one, other = new_server(), new_server()
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(other.bundle.read_bytes())
    app = InFlask(one.url, {"verify": str(bundle)})
    with pytest.raises(ConfigurationError, match="is not trusted"):
        app.call("create_api_key", token="t")
    bundle.write_bytes(one.bundle.read_bytes() + other.bundle.read_bytes())
    assert app.sign_in().secret
    app.end()


def test_missing_authorities_file_is_a_configuration_error(tmp_path: Path) -> None:
    """With the library requests, a missing file of authorities is named by the error."""
    app = InFlask("https://127.0.0.1:9", {"verify": str(tmp_path / "none.pem")})
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        app.call("create_api_key", token="an-access-token")
    app.end()


def test_verify_may_be_a_folder(new_server: Callable[[], Authority], tmp_path: Path) -> None:
    """In Flask, certificates in the folder ``verify`` are trusted after ``openssl rehash``."""
    server = new_server()
    shutil.copy(server.bundle, tmp_path)
    app = InFlask(server.url, {"verify": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="is not trusted"):
        app.call("create_api_key", token="t")
    subprocess.run([*("openssl", "rehash"), tmp_path], check=True)
    assert app.sign_in().secret
    app.end()
