"""Logs beside Docker's API: sources, lines, histograms, policies as JSON (docs/logs.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine.clock import render_ns
from engine.logs import blocks, levels, matching
from engine.logs.search import Batch, End, Found, Progress
from engine.logs.store import Policy, Used
from engine.services.log_search import Histogram, Page, Results
from engine.services.log_sources import Extent, Source

_LONGEST = 1 << 16


def render_source(source: Source, extent: Extent) -> dict[str, Any]:
    """Return one source; what is not known of a living one is null."""
    archived = source.archived if source.archived and source.archived.ready else None
    counts = dict(zip(levels.NAMES, archived.summary.levels, strict=True)) if archived else None
    return {
        "id": source.id,
        "name": source.name,
        "state": "living" if source.archived is None else "archived",
        "running": source.running,
        "image": source.image,
        "labels": dict(source.labels),
        "project": source.project,
        "service": source.service,
        "tty": source.tty,
        "created": _time(source.created_ns),
        "removed": _time(source.archived.removed_ns) if source.archived else "",
        "first": _time(extent.first_ns),
        "last": _time(extent.last_ns),
        "bytes": archived.summary.size if archived else None,
        "stored": extent.stored,
        "lines": archived.summary.lines if archived else None,
        "levels": {name: count for name, count in counts.items() if count} if counts else None,
    }


def _time(when_ns: int) -> str:
    return render_ns(when_ns) if when_ns else ""


class LineRenderer:
    """Renders the lines of one answer."""

    def __init__(self, results: Results, *, fields: bool) -> None:
        self._matcher = results.matcher
        self._fields = fields

    def line(self, found: Found) -> dict[str, Any]:
        """Return one line."""
        hit = found.hit
        raw = hit.text[:_LONGEST]
        text = raw.decode("utf-8", "replace")
        line: dict[str, Any] = {
            "source": found.source,
            "cursor": found.cursor.render(),
            "time": render_ns(hit.time_ns),
            "stream": blocks.stream_of(hit.flags),
            "level": levels.NAMES[hit.level],
            "text": text,
        }
        if spans := self._matcher.spans(raw):
            line["matches"] = [[_units(raw, begin), _units(raw, end)] for begin, end in spans]
        if len(hit.text) > _LONGEST:
            line["cut"] = len(hit.text)
        if hit.flags & blocks.IS_PART:
            line["whole"] = False
        if self._fields and (fields := matching.fields_of(hit.text)) is not None:
            line["fields"] = fields
        return line

    def lines(self, found: Sequence[Found]) -> list[dict[str, Any]]:
        """Return lines."""
        return [self.line(one) for one in found]


def _units(raw: bytes, offset: int) -> int:
    """Return an offset in bytes as one in UTF-16 units of the decoded text."""
    before = raw[:offset]
    return offset if before.isascii() else len(before.decode("utf-8", "replace").encode("utf-16-le")) // 2


def render_record(record: Batch | Progress | End, lines: LineRenderer, sources: int) -> dict[str, Any]:
    """Return one record of a search's answer."""
    if isinstance(record, Batch):
        return {"hits": lines.lines(record.found)}
    if isinstance(record, Progress):
        told = {"scanned": record.scanned, "total": record.total, "sources": sources, "hits": record.hits}
        return {"progress": {**told, "at": _time(record.at_ns) if record.at_ns < 1 << 62 else ""}}
    return {"end": {**asdict(record), "seconds": round(record.seconds, 3)}}


def render_page(page: Page, lines: LineRenderer) -> dict[str, Any]:
    """Return a page of lines."""
    return {
        "lines": lines.lines(page.found),
        "before": page.found[0].cursor.render() if page.found else "",
        "after": page.found[-1].cursor.render() if page.found else "",
        "begin": page.begin,
        "end": page.end,
    }


def render_histogram(found: Histogram) -> dict[str, Any]:
    """Return counts; levels without a line are left out."""
    return {
        "since": render_ns(found.since_ns),
        "until": render_ns(found.until_ns),
        "step_ms": found.step_ns / 1e6,
        "total": sum(map(sum, found.counts)),
        "levels": {name: list(c) for name, c in zip(levels.NAMES, found.counts, strict=True) if any(c)},
        "complete": found.complete,
        "reached": render_ns(found.reached_ns),
    }


def render_export(found: Found, sources: Mapping[str, Source]) -> dict[str, Any]:
    """Return one line of an export."""
    hit = found.hit
    return {
        "time": render_ns(hit.time_ns),
        "source": found.source,
        "name": sources[found.source].name,
        "stream": blocks.stream_of(hit.flags),
        "level": levels.NAMES[hit.level],
        "text": hit.text.decode("utf-8", "replace"),
    }


def render_policy(policy: Policy, defaults: Policy, used: Used) -> dict[str, Any]:
    """Return a namespace's policy and what its archive takes."""
    taken = {"archives": used.archives, "stored": used.stored, "bytes": used.size}
    return {**asdict(policy), "used": taken, "defaults": asdict(defaults)}
