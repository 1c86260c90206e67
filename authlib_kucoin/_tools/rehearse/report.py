"""The report of a rehearsal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, Final
from urllib.parse import urlsplit

from .lessons import DEVIATIONS, QUESTIONS
from .masks import Secrets, header_names
from .record import Exchange, Record

#: The most members that the report lists for one answer.
_MOST_MEMBERS: Final = 80
#: The headers whose values the report shows.
_SHOWN_HEADERS: Final = ("content-type", "retry-after", "server")


def content(record: Record, secrets: Secrets) -> dict[str, Any]:
    """Return the report as data. In texts that come from answers, secrets are masked."""
    lessons = {question: find(record) for question, find in QUESTIONS.items()}
    return {
        "facts": dict(record.facts),
        "please": please(),
        "stopped": record.stopped,
        "learnt": {
            question: secrets.clean(answer) for question, answer in lessons.items() if answer
        },
        "still_unknown": [question for question, answer in lessons.items() if not answer],
        "differences": [secrets.clean(each) for each in differences(record, secrets)],
        "answers": [_answer(exchange, secrets) for exchange in record.exchanges],
    }


def please() -> str:
    """Return the text that asks the reader to send the report, and says where to send it."""
    listed = dict(url.split(", ", 1) for url in metadata_of("authlib-kucoin", "Project-URL"))
    found = listed.get("Issues") or listed.get("Source") or listed.get("Repository")
    return (
        "This report holds no code, token, key or account number. Please read it and send it to "
        f"{found or 'the place where you found authlib_kucoin'}: nobody has run this package "
        "against KuCoin before, so your report helps everybody who uses this package."
    )


def metadata_of(package: str, name: str) -> list[str]:
    """Return the values of one field of a package's metadata; empty if either is missing."""
    try:
        return metadata(package).get_all(name) or []
    except PackageNotFoundError:
        return []


def differences(record: Record, secrets: Secrets) -> Iterator[str]:
    """Yield each difference from the document: first those of the rehearsal, then each answer's."""
    for find in DEVIATIONS:
        if found := find(record):
            yield found
    for exchange in record.exchanges:
        if exchange.answer is not None:
            for difference in exchange.answer.differences(secrets):
                yield f"{exchange.name}: {difference}"


def _answer(exchange: Exchange, secrets: Secrets) -> dict[str, Any]:
    result: dict[str, Any] = {"name": exchange.name, "verdict": secrets.clean(exchange.verdict)}
    if (answer := exchange.answer) is None:
        return result | {"request": "no request reached KuCoin"}
    heard = answer.heard
    url = urlsplit(heard.call.url)
    return result | {
        "request": f"{heard.call.method} {url.scheme}://{url.netloc}{url.path}",
        "status": heard.status,
        "milliseconds": round(heard.seconds * 1000),
        "header_names": header_names(heard.headers),
        "headers": {
            name: secrets.shown(heard.header(name)) for name in _SHOWN_HEADERS if heard.header(name)
        },
        "bytes": len(heard.body),
        "body": answer.trouble or "a JSON object",
        "section": answer.page().section,
        "refusal": secrets.shown(answer.refusal_form),
        "members": [member._asdict() for member in answer.members(secrets)[:_MOST_MEMBERS]],
    }


def as_json(report: dict[str, Any], secrets: Secrets) -> str:
    """Return the report as JSON, for programs."""
    return secrets.masked(json.dumps(report, indent=2, ensure_ascii=False)) + "\n"


def as_markdown(report: dict[str, Any], secrets: Secrets) -> str:
    """Return the report as Markdown, for people."""
    return secrets.masked("\n".join(_lines(report))) + "\n"


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield "# Rehearsal of KuCoin's Broker Fast API"
    yield ""
    yield from (f"- {name}: {value}" for name, value in report["facts"].items())
    if report["stopped"]:
        yield f"- it ended early: {report['stopped']}"
    yield from _section("What differs from the document", report["differences"])
    yield from _section(
        "What the document leaves open and KuCoin has shown",
        [f"{q} **{a}**" for q, a in report["learnt"].items()],
    )
    yield from _section("What is still not known", report["still_unknown"])
    yield from ("", "## Each answer")
    for answer in report["answers"]:
        yield from _answer_lines(answer)
    yield from ("", report["please"])


def _section(title: str, items: list[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from (f"- {item}" for item in items or ["Nothing."])


def _answer_lines(answer: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"### {answer['name']}", "", f"{answer['request']}", "", answer["verdict"], "")
    if "status" not in answer:
        return
    yield f"- HTTP {answer['status']}, {answer['milliseconds']} ms, {answer['bytes']} bytes"
    yield f"- body: {answer['body']}; compared with section {answer['section']}"
    yield f"- headers: {', '.join(answer['header_names']) or 'none'}"
    yield from (f"- {name}: {value}" for name, value in answer["headers"].items())
    if answer["members"]:
        yield from ("", "| member | type | in the document | value |", "| --- | --- | --- | --- |")
    for member in answer["members"]:
        cells = (member["path"], member["kind"], member["documented"] or "no", member["value"])
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
