"""Sphinx's settings. ``make docs`` builds offline, and fails if there is a warning."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "authlib_kucoin"
author = "the authlib_kucoin authors"
copyright = "2026, the authlib_kucoin authors"  # noqa: A001 - Sphinx's own name
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "accessible",
    "pictures",
]
html_theme = "furo"
html_title = "authlib_kucoin"
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["_static"]
html_css_files = ["site.css"]
exclude_patterns = ["_build", "upstream"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
# The copy button copies the commands, without prompts and output.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_default_options = {"exclude-members": "__new__"}  # same parameters as __init__
# Names that this documentation does not describe. The build is offline, so other projects' pages
# cannot be looked up.
nitpick_ignore_regex = [
    # Docstrings name our errors without their package.
    ("py:exc", r"[A-Z]\w+"),
    (
        "py:.*",
        r"(authlib|opentelemetry|flask|django|starlette|werkzeug|httpx2|requests|social_core)\..*",
    ),
    ("py:.*", r"(collections\.abc|datetime|typing|http|pathlib|types)\..*"),
    ("py:class", r"OAuth2.*|AsyncOAuth2.*|.*OAuth2App|OAuthError|MismatchingStateError"),
    ("py:class", r"Any|Callable|Mapping|Iterable|datetime|Path|optional"),
    # Private modules. The reference has their public classes and functions under public names.
    ("py:.*", r"authlib_kucoin\.(sandbox\.)?_.*"),
    ("py:class", r"SandboxKeywords|BaseStrategy|ResponseT_co|KuCoin.*App|AppBase|Unpack|Response"),
    ("py:class", r".*Base(Transport|Adapter)|SpanExporter"),
    # napoleon takes the words before a colon in a property's docstring for its type.
    ("py:class", r".*issued.*|oldest first|True|.* .*"),
    ("py:obj", r"authlib_kucoin\..*"),
]
