"""Keeps KuCoin's secrets out of telemetry and access logs.

KuCoin's token call is a GET whose query holds the authorization code and, if one is set, the client
secret (document section 7.2). The query of the callback can hold the code too. Error reporters,
tracing and access logs record URLs with these secrets. This module masks the secrets.

Importing this module imports no library for error reports or tracing.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["RedactingFilter", "redact", "span_exporter"]

_MASK: Final = "***"
_FIELDS: Final = frozenset(
    {"access_token", "client_secret", "passphrase", "refresh_token", "secret"}
)
# A parameter is at the beginning of the text, or follows a quote, "?" or "&". HTML can write "&" as
# "&amp;" and JSON as "\u0026". In a URL inside another parameter (/login?next=…), "?", "&" and "="
# are percent-encoded, perhaps several times.
_PARAMETER: Final = re.compile(
    rf"((?:^|[?&;'\"]|\\u0026|%(?:25)*(?:3f|26))(?:code|{'|'.join(sorted(_FIELDS))})"
    r"(?:=|%(?:25)*3d))[^&;\s\"'\\<>]+",
    re.IGNORECASE,
)


def redact(value: Any, _hint: object = None) -> Any:
    """Return a copy of a value in which the secrets in URLs and under known names are masked.

    In strings, the values of the query parameters ``code``, ``client_secret``,
    ``access_token``, ``refresh_token``, ``secret`` and ``passphrase`` are masked, whatever the
    host of the URL. In mappings, the values under these names are masked, except under
    ``code``, because other data often has that name. Secrets elsewhere, such as in an
    ``Authorization`` header, are not masked.

    This function can be set as Sentry's ``before_breadcrumb``, ``before_send`` and
    ``before_send_transaction``, and as a ``url_filter`` of OpenTelemetry.

    Args:
        value: A string, a mapping, or a list, tuple or set (not of a subclass). Any other object is
            returned unchanged.
    """
    if isinstance(value, str):
        return _PARAMETER.sub(rf"\1{_MASK}", value)
    if isinstance(value, Mapping):
        return {
            name: _MASK if name in _FIELDS and field else redact(field)
            for name, field in value.items()
        }
    if type(value) in {list, tuple, set}:
        return type(value)(map(redact, value))
    return value


class RedactingFilter(logging.Filter):
    """A logging filter that masks what :func:`redact` masks.

    Access logs record the callback with its query. So add this filter to their handlers, or to the
    loggers ``gunicorn.access``, ``uvicorn.access``, ``werkzeug`` and ``django.server``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a record's message and arguments. Return True, so that logging goes on with it."""
        if not isinstance(record.msg, str):
            record.msg = redact(record.msg)
        # Keep arguments where possible: uvicorn's formatter reads them.
        if isinstance(record.args, dict):  # in place, to keep gunicorn's subclass of dict
            record.args.update(redact(record.args))
        elif record.args:
            record.args = redact(record.args)
        with contextlib.suppress(Exception):  # logging itself reports a broken record
            # The name can be in the message and its value an argument: "code=%s".
            message = record.getMessage()
            if (masked := redact(message)) != message:
                record.msg, record.args = masked, ()
        return True


def span_exporter(exporter: SpanExporter) -> SpanExporter:
    """Return an OpenTelemetry exporter that masks each span before another exporter exports it.

    It works with any instrumentation, because it masks finished spans. It masks the span's name,
    attributes and status, and the attributes of its events and of its links.

    Args:
        exporter: The exporter that exports the masked spans.
    """
    from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415 - an optional library
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415 - an optional library
        SpanExporter,
        SpanExportResult,
    )
    from opentelemetry.trace import Link, Status  # noqa: PLC0415 - an optional library

    def masked(span: ReadableSpan) -> ReadableSpan:
        return ReadableSpan(
            name=redact(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=redact(span.attributes),
            events=[
                Event(event.name, redact(event.attributes), event.timestamp)
                for event in span.events
            ],
            links=[Link(link.context, redact(link.attributes)) for link in span.links],
            kind=span.kind,
            status=Status(span.status.status_code, redact(span.status.description)),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    class RedactingSpanExporter(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return exporter.export([masked(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    return RedactingSpanExporter()
