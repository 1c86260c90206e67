"""Runs the server in a process of its own, so that the measurements do not include its work.

Start it with ``python -m benchmarks.backend CERTIFICATE``. It writes one line of JSON at the start
and one for each line that it reads from standard input. It ends when standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import _server
from ._proxy import Counts, Proxy

#: Seconds per round trip through the slow proxy.
ROUND_TRIP: Final = 0.05

_HOST: Final = "127.0.0.1"


class Backend:
    """A running server behind two counting proxies."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions, self._answers = process.stdin, process.stdout
        ports = json.loads(self._answers.readline())
        #: The URL of the server.
        self.direct = f"https://{_HOST}:{ports['direct']}"
        #: The URL of a proxy that counts and does not delay.
        self.near = f"https://{_HOST}:{ports['near']}"
        #: The URL of a proxy that counts, and delays each round trip by :data:`ROUND_TRIP`.
        self.far = f"https://{_HOST}:{ports['far']}"

    def counts(self, url: str) -> Counts:
        """Return the traffic through a proxy until now; ``url`` is :attr:`near` or :attr:`far`."""
        self._questions.write("\n")
        self._questions.flush()
        counts = json.loads(self._answers.readline())
        return Counts(**counts["near" if url == self.near else "far"])


@contextlib.contextmanager
def running_backend(*, trust_others: bool) -> Iterator[Backend]:
    """Run the server for a block. Clients in this process trust it and ignore system proxies.

    Args:
        trust_others: Trust the usual certificate authorities as well. Loading the authorities is
            what makes a TLS context expensive. Without the authorities everything is faster than in
            production, above all code that creates many contexts.
    """
    with tempfile.TemporaryDirectory() as folder:
        certificate, bundle = Path(folder, "server.pem"), Path(folder, "authorities.pem")
        make_certificate(certificate, bundle, trust_others=trust_others)
        settings = {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle)}
        command = [sys.executable, "-m", __name__, str(certificate)]
        with (
            _environment(settings),
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parent.parent,
            ) as process,
        ):
            yield Backend(process)


@contextlib.contextmanager
def _environment(new: Mapping[str, str]) -> Iterator[None]:
    old = dict(os.environ)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(new)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(old)


def make_certificate(certificate: Path, bundle: Path, *, trust_others: bool) -> None:
    """Write a self-signed certificate with its key, and a bundle of authorities that includes it.

    With ``trust_others``, the bundle holds certifi's authorities as well.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(_HOST))]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate.write_bytes(secret + signed)
    others = Path(certifi.where()).read_bytes() if trust_others else b""
    bundle.write_bytes(others + signed)


async def _serve(certificate: str) -> None:
    port = _server.start(certificate)
    proxies = {"near": Proxy(port, 0), "far": Proxy(port, ROUND_TRIP)}
    _write({"direct": port} | {name: await proxy.start() for name, proxy in proxies.items()})
    while await asyncio.to_thread(sys.stdin.readline):
        _write({name: dataclasses.asdict(proxy.counts) for name, proxy in proxies.items()})
    os._exit(0)  # end at once, without waiting for open connections


def _write(value: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
