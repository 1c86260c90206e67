"""Type-checked, not run: the sandbox's options and methods."""

from authlib_kucoin.sandbox import Callback, IssuedKey, SandboxKeywords, run_sandbox


def options() -> SandboxKeywords:
    """Return options for the fixture ``kucoin_sandbox_options``, including the port."""
    return {"port": 0, "fast_api": 2, "account": ["alice@example.com:1", "bob@example.com"]}


with run_sandbox(**options()) as sandbox:
    callback: Callback = sandbox.approve("url", account="bob@example.com", permissions=["API_SPOT"])
    url: str = callback.url
    keys: tuple[IssuedKey, ...] = sandbox.keys
    sandbox.fail_next("token", "503", times=2)

with run_sandbox(9400, client_id="broker", tls="self-signed", key_info={"region": "AU"}):
    pass

with run_sandbox(port=9400, lists="list"):
    pass
