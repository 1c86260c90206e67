"""The settings of an app that ``register_kucoin`` has registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from authlib_kucoin._errors import ConfigurationError, KuCoinError


def registered_settings(client: Any, name: str, config: Callable[[str], Any]) -> dict[str, Any]:
    """Return the settings of a registered app.

    Args:
        client: The app that is registered under the name; None if there is none.
        name: The name that KuCoin is registered under.
        config: Returns a setting of the application; None if it is not set.

    Raises:
        ConfigurationError: If nothing, or another provider, is registered under the name.
    """
    if client is None or not hasattr(client, "create_api_key"):
        raise ConfigurationError(
            f"The application registers no KuCoin under the name {name!r}: call "
            "register_kucoin(OAuth(app)) before it starts, or give the name by --name."
        )
    prefix = name.upper()
    options: Mapping[str, Any] = client.client_kwargs
    return {
        **_site_of(client, config, prefix),
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": options.get("redirect_uri") or config(f"{prefix}_REDIRECT_URI"),
        "vault_keys": config(f"{prefix}_VAULT_KEYS"),
        "client_kwargs": options,
    }


def _site_of(client: Any, config: Callable[[str], Any], prefix: str) -> dict[str, Any]:
    """Return the site; if it is not valid, its settings, so that a check can report the mistake."""
    try:
        return {"site": client.site}
    except KuCoinError:
        ends = {"site": "SITE", "fast_api": "FAST_API"}
        return {k: client._given[k] or config(f"{prefix}_{end}") for k, end in ends.items()}
