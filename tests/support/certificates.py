"""A self-signed certificate for loopback."""

import subprocess
from pathlib import Path


def self_signed(folder: Path) -> tuple[str, str]:
    """Create a key, and a certificate for localhost. Return the paths of certificate and key."""
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-out", files[0], "-keyout", files[1]),
        ],
        check=True,
        capture_output=True,
    )
    return files
