"""A certificate made for one run, by a certificate authority made for one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory


class SelfSigned:
    """The files of a new certificate; they live until `remove`."""

    def __init__(self, names: Sequence[str]) -> None:
        """Make a certificate for loopback and these host names or addresses.

        Raises:
            ValueError: trustme is not installed.
        """
        try:
            import trustme  # noqa: PLC0415 - optional
        except ImportError:
            raise ValueError(
                "a self-signed certificate needs trustme: pip install 'authlib-kucoin[sandbox]'"
            ) from None
        self._folder = TemporaryDirectory(prefix="kucoin-sandbox-")
        folder = Path(self._folder.name)
        authority = trustme.CA(organization_name="KuCoin sandbox")
        known = {"localhost": None, "127.0.0.1": None, "::1": None} | dict.fromkeys(names)
        issued = authority.issue_cert(*known)
        self.authority = str(folder / "ca.pem")
        self.certificate = str(folder / "certificate.pem")
        self.key = str(folder / "key.pem")
        authority.cert_pem.write_to_path(self.authority)
        for blob in issued.cert_chain_pems:
            blob.write_to_path(self.certificate, append=True)
        issued.private_key_pem.write_to_path(self.key)

    def remove(self) -> None:
        """Remove the files."""
        self._folder.cleanup()
