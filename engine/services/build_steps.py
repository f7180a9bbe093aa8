"""What every step that may make a layer goes through: its inputs, the cache, the work, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.build.keys import Inputs
from engine.build.records import CacheKind, CacheRecord
from engine.clock import now_ns, render_ns
from engine.images.model import ImageLayer
from engine.services.build_job import Job, Step
from engine.services.build_state import State
from engine.values import ImageConfig

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to: `reason` why it was not cached ("" if it was), `container` where one ran."""

    state: State
    cached: bool
    reason: str = ""
    size: int = 0
    container: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A step as the cache sees it. `config` is what the stage's configuration is after it; `words` its history."""

    inputs: Inputs
    label: str
    text: str
    words: str
    config: ImageConfig
    kind: CacheKind = CacheKind.LAYER
    movable: bool = False
    """Its layer is the same over any other (COPY --link)."""


def settle(
    job: Job, step: Step, state: State, wanted: Wanted, make: Callable[[], ImageLayer | None], container: str = ""
) -> Outcome:
    """Return the state after a step: from the cache, from an image's history, or by `make`."""
    job.stop.check()
    found = None if job.wish.no_cache else _known(job, state, wanted)
    if found is not None:
        layer, created = found
        after = state.after(wanted.config, wanted.words, created, layer)
        return Outcome(after, cached=True, size=layer.size if layer else 0)
    reason = _reason(job, step, wanted)
    began = time.monotonic()
    layer = make()
    job.stop.check()
    when = now_ns() if job.epoch is None else job.epoch * _SECOND
    record = _record(job, step, state, wanted, layer, when)
    if wanted.kind is CacheKind.LAYER and time.monotonic() - began > 0.5:
        job.cache.keep(record)
    else:
        job.made.append(record)
    after = state.after(wanted.config, wanted.words, render_ns(when), layer)
    return Outcome(after, cached=False, reason=reason, size=layer.size if layer else 0, container=container)


def _known(job: Job, state: State, wanted: Wanted) -> tuple[ImageLayer | None, str] | None:
    record = job.cache.find(job.namespace, wanted.inputs, job.lease)
    if record is not None:
        created = render_ns(record.created_ns)
        if not record.diff_id:
            return None, created
        if wanted.movable and record.chain[:-1] != state.chain:
            return job.bench.moved(record.chain[-1], state.chain), created
        return ImageLayer(record.chain[-1], record.diff_id, record.size), created
    known = job.history.find(state.top, wanted.words)
    if known is None:
        return None
    if known.layer is not None:
        job.lease.keep(known.layer.chain_id)
    return known.layer, known.created


def _reason(job: Job, step: Step, wanted: Wanted) -> str:
    if job.wish.no_cache:
        return f"{wanted.label}: the cache is not used (no-cache)"
    return job.cache.why_not(job.namespace, step.slot, wanted.label, wanted.inputs)


def _record(job: Job, step: Step, state: State, wanted: Wanted, layer: ImageLayer | None, when: int) -> CacheRecord:
    return CacheRecord(
        id=wanted.inputs.key(),
        namespace=job.namespace,
        kind=wanted.kind,
        slot=step.slot,
        label=wanted.label,
        text=wanted.text,
        inputs=wanted.inputs.kept(),
        chain=(*state.chain, layer.chain_id) if layer else state.chain,
        diff_id=layer.diff_id if layer else "",
        size=layer.size if layer else 0,
        created_ns=when,
        used_ns=now_ns(),
        uses=1,
        words=wanted.words,
    )


def label_of(name: str, text: str) -> str:
    """Return what people call a step: the instruction and the beginning of its words."""
    words = " ".join(text.split())
    return f"{name} {words[:57]}…" if len(words) > 60 else f"{name} {words}".rstrip()
