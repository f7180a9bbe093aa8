"""Container names: Docker's rule, and a fresh name where none is given."""

from __future__ import annotations

import re
import secrets

from engine.errors import InvalidArgument

_VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_LONGEST = 255

_QUALITIES = """agile amber ample bold brave bright brisk calm candid clever crisp daring deft eager earnest fair fleet
fond frank gentle glad golden happy hardy jolly keen kind lively lucid merry mild modest neat nimble noble patient
placid plucky polite proud quick quiet ready robust sharp silent sincere smart snug solid spry steady stout sunny
swift tidy trusty vivid warm witty zesty""".split()
_THINGS = """anchor barge beacon bollard bow buoy cabin canoe capstan cargo chart compass coral crane cutter deck dinghy
dock ferry fjord galley gangway gull harbor hawser heron hull island jetty kayak keel lagoon lantern lighter lock
mariner mast mooring oar otter pelican pier pilot pontoon quay raft rigging rudder sail schooner sextant skiff sloop
spar tern tide trawler tug wharf yawl""".split()


def check_name(name: str) -> str:
    """Return `name` without a leading slash; InvalidArgument where Docker's rule refuses it."""
    bare = name.removeprefix("/")
    if not _VALID.fullmatch(bare) or len(bare) > _LONGEST:
        raise InvalidArgument(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            + (f", {_LONGEST} characters at most" if len(bare) > _LONGEST else "")
        )
    return bare


def generate_name(attempt: int) -> str:
    """Return `quality_thing`, with digits behind it from the third attempt on."""
    name = f"{secrets.choice(_QUALITIES)}_{secrets.choice(_THINGS)}"
    return f"{name}{secrets.randbelow(10_000)}" if attempt > 1 else name
