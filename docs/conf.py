"""How the documentation is built: ``make docs``, offline and without a warning."""

project = "authlib_kucoin"
author = "the authlib_kucoin authors"
copyright = "2026, the authlib_kucoin authors"  # noqa: A001 - Sphinx's own name
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "authlib_kucoin"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
# What Authlib's and the frameworks' own documentation describes; this build asks nobody.
nitpick_ignore_regex = [
    ("py:exc", r"ConfigurationError|KuCoinError|UnsafeRedirectURI|.*(Error|Unavailable|Unknown)"),
    ("py:exc", r"AuthorizationDenied|ReauthorizationRequired|MalformedResponse"),
    ("py:.*", r"(authlib|flask|django|starlette|werkzeug|httpx2|requests|social_core)\..*"),
    ("py:.*", r"(collections\.abc|datetime|typing|http|pathlib|types)\..*"),
    ("py:class", r"OAuth2.*|AsyncOAuth2.*|.*OAuth2App|OAuthError|MismatchingStateError"),
    ("py:class", r"Any|Callable|Mapping|Iterable|datetime|Path|optional"),
    # Private modules; what they hold is documented under its public name.
    ("py:.*", r"authlib_kucoin\.(sandbox\.)?_.*"),
    ("py:class", r"SandboxKeywords|BaseStrategy|ResponseT_co|KuCoin.*App|Unpack|Response"),
    ("py:class", r".*Base(Transport|Adapter)"),
    # Google style takes the beginning of a property's sentence for its type.
    ("py:class", r".*issued.*|oldest first"),
    ("py:obj", r"authlib_kucoin\..*"),
]
