"""Checks that connect to the site: its certificate, its answer, and its clock."""

from __future__ import annotations

import base64
import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from .environment import authorities_variable, proxy_for, tls_context
from .findings import Finding, note, right, skipped, wrong
from .subject import PATIENCE, Subject

_DAY: Final = 24 * 3600
#: A certificate that is valid for fewer days than this gives a note.
_SOON: Final = 14
#: KuCoin refuses a signed request whose timestamp is off by more than this, in seconds.
_LARGEST_SKEW: Final = 5.0

#: OpenSSL's codes for a certificate that is not valid yet, and for one that has expired.
_OUT_OF_DATE: Final = (9, 10)
_SET_CLOCK: Final = "Set this machine's clock. If it is right, KuCoin has to renew the certificate."
_NO_SITE: Final = "the site is not known"


def check_certificate(subject: Subject) -> Iterator[Finding]:
    """Check the certificates of the web host and of the REST host by TLS connections.

    Hosts with an http address (loopback) are skipped, and hosts behind a proxy whose own URL is
    not http. If the client has ``verify=False``, that is reported without a connection.
    """
    if subject.site is None:
        yield skipped(_NO_SITE)
        return
    addresses = {}
    for url in (subject.site.web, subject.site.rest):
        parts = urlsplit(url)
        addresses[parts.hostname or "", parts.port or 443] = parts.scheme
    for (host, port), scheme in addresses.items():
        if scheme != "https":
            yield skipped(f"{host} is loopback without TLS")
        else:
            yield _certificate_finding(subject, host, port)


def _certificate_finding(subject: Subject, host: str, port: int) -> Finding:
    library = subject.library
    name = authorities_variable(library)
    own = subject.settings.client_kwargs
    if own.get("verify") is False:
        return wrong(
            "client_kwargs has verify=False: others in the network can read codes and keys.",
            f"Remove verify=False. If you have an authority of your own, set {name} to its file.",
        )
    try:
        proxy = proxy_for(f"https://{host}:{port}", own)
        if proxy is not None and proxy.scheme != "http":
            return skipped(f"this check cannot use a {proxy.scheme} proxy")
        certificate = _certificate(host, port, proxy, tls_context(library, own.get("verify")))
    except ssl.SSLCertVerificationError as error:
        text = f"The certificate of {host} is not trusted: {error.verify_message}."
        if error.verify_code in _OUT_OF_DATE:
            return wrong(text, _SET_CLOCK)
        return wrong(
            text,
            f"If your network has an authority of its own (a TLS-inspecting proxy), set {name} to "
            "its file. If not, this host may not be KuCoin's: stop here.",
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        return wrong(
            f"No TLS connection to {host}:{port} ({type(error).__name__}).",
            f"Check KUCOIN_SITE, the proxy and the firewall; this machine needs port {port}.",
        )
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return _validity_finding(host, (ends - subject.clock()) / _DAY)


def _validity_finding(host: str, days: float) -> Finding:
    if days < 0:
        return wrong(
            f"By this machine's clock, the certificate of {host} has expired.",
            _SET_CLOCK,
        )
    if days < _SOON:
        return note(
            f"The certificate of {host} ends in {days:.0f} days.",
            "KuCoin will renew it; look again before going live.",
        )
    return right(f"{host}: trusted, valid for {days:.0f} days")


def _certificate(
    host: str, port: int, proxy: SplitResult | None, context: ssl.SSLContext
) -> Mapping[str, Any]:
    """Return the certificate of a server after the TLS context has accepted it."""
    if proxy is None:
        connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    else:
        connection = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port or 80, timeout=PATIENCE, context=context
        )
        headers = {}
        if proxy.username:
            pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        connection.set_tunnel(host, port, headers)
    try:
        connection.connect()
        certificate: Mapping[str, Any] = connection.sock.getpeercert() or {}
    finally:
        connection.close()
    return certificate


def check_answer(subject: Subject) -> Iterator[Finding]:
    """Judge the site's answer to a request for the login page (:attr:`Subject.answer`)."""
    if subject.site is None:
        yield skipped(_NO_SITE)
        return
    answer = subject.answer
    page = subject.site.authorization_endpoint
    if isinstance(answer, str):
        yield wrong(
            f"{page} gave no answer ({answer.rstrip('.')}).",
            "Check KUCOIN_SITE, the proxy and the firewall: this machine has to reach the site.",
        )
        return
    status = answer.status or 0
    if 300 <= status < 400:
        target = urlsplit(answer.header("location")).hostname
        elsewhere = target and target != urlsplit(page).hostname
        where = f"to {target}" if elsewhere else "within the host"
        finding = note if not elsewhere else wrong
        yield finding(
            f"{page} redirects {where} (HTTP {status}).",
            f"If {target or 'that'} is your site, set KUCOIN_SITE to it: calls follow no redirect.",
        )
    elif status == 404:
        yield wrong(
            f"There is no login page at {page} (HTTP 404).",
            "Set KUCOIN_SITE to the base URL of the site, which ends before /oauth.",
        )
    elif status in (403, 451):
        yield note(
            f"{page} answers HTTP {status} to this machine.",
            "KuCoin may refuse requests that do not come from a browser. If a browser cannot open "
            "the page either, ask KuCoin whether it serves your region and has your addresses.",
        )
    elif status >= 500:
        yield wrong(
            f"{page} is failing (HTTP {status}).", "Try again later. If it persists, ask KuCoin."
        )
    else:
        yield right(f"{page} answers (HTTP {status}, {answer.seconds * 1000:.0f} ms)")


def check_clock(subject: Subject) -> Iterator[Finding]:
    """Compare this machine's clock with the site's ``Date``."""
    if subject.site is None:
        yield skipped(_NO_SITE)
        return
    answer = subject.answer
    if isinstance(answer, str):
        yield skipped("the site gave no answer")
        return
    try:
        theirs = parsedate_to_datetime(answer.header("date")).timestamp()
    except ValueError:
        yield skipped("the site's answer has no Date")
        return
    # A Date has whole seconds, and the site set it between our request and its answer. So only a
    # difference outside that span counts.
    offset = subject.clock() - time.time()
    begin = answer.began + offset
    skew = max(begin - (theirs + 1), 0.0) or min(begin + answer.seconds - theirs, 0.0)
    if abs(skew) >= _LARGEST_SKEW - 1:
        yield wrong(
            f"This machine's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}.",
            "Set it, and keep it set by NTP (timedatectl set-ntp true): KuCoin refuses signed "
            "requests that are more than 5 s off.",
        )
    else:
        yield right(f"within {max(1, round(abs(skew)))} s of the site's clock")
