"""Cache keys: what a step depends on, one digest over it, and a sentence for why it had to run. Pure.

A step's inputs are named parts (what was before it, its own words, the variables it sees, its user, its files …), each
a text. Equal parts give the same key. Files are kept one by one, so that a miss can name the one that changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FILES_KEPT = 5000
"""File digests kept with a step, at most: above that only their common digest counts in a sentence, too."""
_NAMED = 3
_PARTS = {
    "user": "the user changed",
    "workdir": "the working folder changed",
    "shell": "the shell changed",
    "network": "the network mode changed",
    "mounts": "what is mounted changed",
    "epoch": "SOURCE_DATE_EPOCH changed",
    "platform": "the platform changed",
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step depends on. `files` maps a path to a digest; `env` and `args` are told apart by name."""

    kind: str
    parts: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)

    def key(self) -> str:
        """Return the step's key: 64 hex digits."""
        value = [self.kind, *(sorted(part.items()) for part in (self.parts, self.files, self.env, self.args))]
        return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()

    def kept(self) -> Inputs:
        """Return what is worth keeping for a later explanation: values of variables as digests, not too many files."""
        files = self.files if len(self.files) <= FILES_KEPT else {}
        return Inputs(
            self.kind,
            self.parts,
            {name: digest[:16] for name, digest in files.items()},
            {name: short(value) for name, value in self.env.items()},
            {name: short(value) for name, value in self.args.items()},
        )


def short(text: str) -> str:
    """Return a short digest of a text: enough to tell two apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def explain(label: str, old: Inputs | None, new: Inputs) -> str:
    """Return why a step with `new` inputs (both as `kept`) could not use what one with `old` had made.

    `label` names the step for people: `COPY src`, `RUN make`.
    """
    if old is None:
        return f"{label}: not built before"
    if old.parts.get("text") != new.parts.get("text"):
        return f"{label}: the instruction changed"
    if found := _changes(old.files, new.files):
        return f"{label}: {_listed(found)}"
    if not old.files and old.parts.get("content") != new.parts.get("content"):
        return f"{label}: its files changed"
    for what, before, after in (("argument", old.args, new.args), ("variable", old.env, new.env)):
        if found := _changes(before, after):
            return f"{label}: {what} {_listed(found)}"
    for name, sentence in _PARTS.items():
        if old.parts.get(name) != new.parts.get(name):
            return f"{label}: {sentence}"
    if old.parts.get("parent") != new.parts.get("parent"):
        return f"{label}: what is before it changed"
    return f"{label}: its inputs changed"


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    found = [f"{name} changed" for name in after if name in before and before[name] != after[name]]
    found += [f"{name} is new" for name in after if name not in before]
    return found + [f"{name} is gone" for name in before if name not in after]


def _listed(found: Sequence[str]) -> str:
    named = ", ".join(found[:_NAMED])
    return f"{named} and {len(found) - _NAMED} more" if len(found) > _NAMED else named
