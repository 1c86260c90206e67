"""A new certificate for one run of the sandbox, signed by a new certificate authority."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory


class SelfSigned:
    """The files of a new certificate, until `remove` deletes them.

    Attributes:
        authority: The path of the authority's certificate, which clients have to trust.
        certificate: The path of the server's certificate.
        key: The path of the private key of the server's certificate.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Make a certificate for localhost, 127.0.0.1, ::1 and each of `names`.

        Raises:
            ValueError: trustme is not installed, or a name cannot be in a certificate.
        """
        try:
            import trustme  # noqa: PLC0415 - the package is optional
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
        """Delete the files."""
        self._folder.cleanup()
