"""Keeps KuCoin's secrets out of telemetry and access logs.

The document's token call is a GET with the code, and the client secret if there is one, in its
query (section 7.2); KuCoin's callback has the code in its query too. Error reporters,
tracing and access logs record URLs, and so these secrets. This module masks them there.

It needs none of those libraries: each function takes what the library hands to a hook.
"""

from __future__ import annotations

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
# A parameter begins the text, or follows a quote, "?" or "&", which JSON and HTML may escape.
_PARAMETER: Final = re.compile(
    rf"((?:^|[?&;'\"]|\\u0026)(?:code|{'|'.join(sorted(_FIELDS))})=)[^&;\s\"'\\<>]+", re.IGNORECASE
)


def redact(value: Any, _hint: object = None) -> Any:
    """Return a copy of anything with the secrets of KuCoin's calls masked.

    In every text, the values of the query parameters ``code``, ``client_secret``,
    ``access_token``, ``refresh_token``, ``secret`` and ``passphrase`` are masked, for any host.
    In every mapping, the values under the same names are masked, except for ``code``: that name
    is too common.

    It has the signature of Sentry's hooks, for ``before_breadcrumb``, ``before_send`` and
    ``before_send_transaction``. As a ``url_filter`` of OpenTelemetry it takes a URL.
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
    """A filter for the handlers or loggers of access logs; it masks what :func:`redact` masks.

    Access logs name the callback with its query. For the loggers ``gunicorn.access``,
    ``uvicorn.access``, ``werkzeug`` and ``django.server``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a record, and let it through."""
        record.msg = redact(record.msg)
        if isinstance(record.args, dict):  # keep gunicorn's dict class: gunicorn formats with it
            record.args.update(redact(record.args))
        elif record.args:
            record.args = redact(record.args)
        return True


def span_exporter(exporter: SpanExporter) -> SpanExporter:
    """Return an exporter of OpenTelemetry's that masks spans before it hands them to another.

    It works for every instrumentation of clients and servers, because it gets every finished
    span. It masks the attributes of the span and of its events.
    """
    from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415 - only where it is used
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415 - likewise
        SpanExporter,
        SpanExportResult,
    )

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
            links=span.links,
            kind=span.kind,
            status=span.status,
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
