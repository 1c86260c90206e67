"""Classifies and describes errors of the HTTP libraries, without texts that can hold a URL."""

from __future__ import annotations

import re
import ssl
import sys
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from authlib_kucoin._errors import ConfigurationError

#: The most causes of an error that are looked at.
_MOST_CAUSES: Final = 20
#: The packages whose errors count as errors of the HTTP library.
_LIBRARIES: Final = {
    *("authlib_kucoin", "requests", "urllib3", "http", "socks", "python_socks", "gevent"),
    *("httpx2", "httpcore2", "httpx", "httpcore", "h11", "socksio", "anyio", "sniffio"),
    *("eventlet", "trio", "uvloop", "OpenSSL"),
}
#: Matches the beginning of an error text that reports a proxy's HTTP 407 (it wants a password).
_NO_TUNNEL: Final = re.compile(r"(?:Tunnel connection failed: )?407\b")


def of_a_handler(error: BaseException) -> BaseException:
    """Return the signal handler's TimeoutError that caused an error, or else the error itself.

    A signal handler, such as that of a job queue's time limit, can raise a TimeoutError.
    The HTTP libraries take that for a time-out of the network and raise an error of their own. A
    time-out of the network is raised in a library or in Python's standard library, so a
    TimeoutError that was raised in other code is taken to be a handler's.
    """
    for cause in (error, *_causes(error)):
        if (
            isinstance(cause, TimeoutError)
            and cause.__traceback__
            and not _is_raised_by_library(cause)
        ):
            return cause
    return error


def is_of_a_handler(error: BaseException) -> bool:
    """Tell whether a signal handler's TimeoutError has caused an error of a library."""
    return of_a_handler(error) is not error


def kind_of(error: BaseException) -> str:
    """Return the kind of an error, as in :attr:`authlib_kucoin.KuCoinError.failure`."""
    causes = (error, *_causes(error))
    if any(isinstance(each, TimeoutError) or "Timeout" in type(each).__name__ for each in causes):
        return "timeout"
    return "tls" if any(isinstance(each, ssl.SSLError) for each in causes) else "connection"


def is_of_http(error: BaseException) -> bool:
    """Tell whether an error counts as one of the HTTP library or the system.

    Every OSError and ValueError does, except a TimeoutError that was raised outside of the HTTP
    libraries and Python's standard library. An error that does not count is taken to come from a
    signal handler (such as a job queue's time limit) or from other code of the application, such as
    a transport.
    """
    if isinstance(error, TimeoutError) and error.__traceback__:
        return _is_raised_by_library(error)
    if isinstance(error, (OSError, ValueError)):
        return True
    if any(_package(kind.__module__) in _LIBRARIES for kind in type(error).__mro__):
        return True
    # Any code can raise a built-in class, so look at the module that raised this one.
    return type(error).__module__ == "builtins" and _is_raised_by_library(error)


def _is_raised_by_library(error: BaseException) -> bool:
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    package = _package(step.tb_frame.f_globals.get("__name__", "")) if step else ""
    return package in _LIBRARIES or package in sys.stdlib_module_names


def _package(module: str) -> str:
    return module.partition(".")[0]


def bare(error: BaseException) -> BaseException:
    """Return an error after removing its traceback, cause and context, which can hold the URL."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def name_of(error: BaseException) -> str:
    """Return the class name of an error, and that of the system error that caused it, if any.

    The texts of the errors are left out, because they can hold the URL.
    """
    names = [type(error).__name__]
    for below in _causes(error):
        if isinstance(below, OSError) and type(below).__name__ != names[-1]:
            names[1:] = [type(below).__name__]
    return ": ".join(names)


def host_of(url: object) -> str:
    """Return host and port of a proxy's URL, without user name and password; "" if unknown."""
    try:
        return urlsplit(str(url)).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def broken_for_good(
    error: BaseException, *, host: str, authorities: str, proxy: str, operation: str | None
) -> ConfigurationError | None:
    """Return an error that says what to change, if the cause is known and lasts; else None.

    The known causes are a certificate that is not trusted, a server that does not speak TLS, a
    proxy that wants a password, and an endless recursion (gevent can cause one).

    Args:
        error: The HTTP library's error.
        host: The host of the request.
        authorities: The name of the environment variable for trusted certificates.
        proxy: Host and port of the proxy in use; empty if there is none.
        operation: The call that failed.
    """
    advice, failure = "", None
    for cause in (error, *_causes(error)):
        if isinstance(cause, ssl.SSLCertVerificationError):
            failure = "tls"
            advice = (
                f"The certificate shown for {host} is not trusted ({cause.verify_message}). If "
                "your proxy or firewall inspects TLS, add its authority's certificate to a copy "
                f"of the trusted ones and set {authorities} to that file. Otherwise check the "
                "machine's clock, and the host: it may not be KuCoin."
            )
        elif isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            failure = "tls"
            advice = (
                f"The server at {proxy or host} does not speak TLS. Check the site's address, "
                "and whether a proxy's address begins with http:// rather than https://."
            )
        elif _NO_TUNNEL.match(str(cause)):
            advice = proxy_wants_password(proxy)
        elif isinstance(cause, RecursionError):
            advice = (
                "The TLS library called itself without end (RecursionError). gevent does that if "
                "it patches ssl after its import: call gevent.monkey.patch_all() before anything "
                "else is imported; with gunicorn, at the top of its configuration file, or leave "
                "preload_app out."
            )
    return ConfigurationError(advice, operation=operation, failure=failure) if advice else None


def proxy_wants_password(proxy: str) -> str:
    """Return the error text for a proxy that answers with HTTP 407."""
    return (
        f"The proxy {proxy} asks for a user name and a password (HTTP 407), so nothing reached "
        "KuCoin. Write them into its address, http://user:password@host:port, in HTTPS_PROXY or "
        "in the client's own proxy option."
    )


def cannot_connect(error: BaseException, operation: str | None) -> ConfigurationError:
    """Return the error for a connection that could not be set up at all.

    Args:
        error: The cause. Its text is shown only if it is an ImportError, or an OSError that is no
            ValueError: other texts can quote a proxy's URL with the password.
        operation: The call that needed the connection, if any.
    """
    says_more = isinstance(error, (OSError, ImportError)) and not isinstance(error, ValueError)
    why = f"{type(error).__name__}: {error}" if says_more else type(error).__name__
    return ConfigurationError(
        f"No connection to KuCoin can be set up ({why}). Check the proxies and certificates in "
        "client_kwargs, in the client's arguments and in the environment.",
        operation=operation,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that led to an error, at most ``_MOST_CAUSES`` of them.

    For each error these are its cause (or else its context), the errors among its arguments, and
    its ``reason``.
    """
    seen = [error]
    for above in seen:
        below = (above.__cause__ or above.__context__, *above.args, getattr(above, "reason", None))
        for each in below:
            if isinstance(each, BaseException) and each not in seen:
                if len(seen) > _MOST_CAUSES:
                    return
                seen.append(each)
                yield each
