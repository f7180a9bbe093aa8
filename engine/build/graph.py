"""Which stages a build needs, in which order they may run, and how their steps are numbered. Pure.

A stage needs the stage it is built from, and those that its COPY and RUN --mount name. What the target does not need
is not built. Stages are known by their place in the file; a name means the nearest earlier stage of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.build import model
from engine.errors import InvalidArgument

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Node:
    """A stage in the graph. `base_stage` None: from the image `stage.base` (or `scratch`)."""

    index: int
    stage: model.Stage
    base_stage: int | None
    needs: frozenset[int] = field(default=frozenset())
    """Every stage it reads from, its base included."""

    @property
    def label(self) -> str:
        """What people call it: its name, else its number."""
        return self.stage.name or str(self.index)


@dataclass(frozen=True, slots=True)
class Graph:
    """The stages to build, in the file's order (each after those it needs), and the one that makes the image."""

    nodes: tuple[Node, ...]
    target: int


def build_graph(stages: Sequence[model.Stage], target: str = "") -> Graph:
    """Return the graph for `target` (a stage's name or number, "" for the last one).

    `stages` have plain words in FROM. InvalidArgument where there is no such stage.
    """
    if not stages:
        raise InvalidArgument("no build stage in current context")
    wanted = _target(stages, target)
    nodes = [_node(stages, index) for index in range(len(stages))]
    needed: set[int] = set()
    waiting = [wanted]
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            waiting += nodes[index].needs
    return Graph(tuple(node for node in nodes if node.index in needed), wanted)


def find_stage(stages: Sequence[model.Stage], reference: str, before: int) -> int | None:
    """Return the earlier stage that a `--from` or `from=` names, by name or number; None: it is an image."""
    for index in reversed(range(before)):
        if stages[index].name and stages[index].name == reference.lower():
            return index
    if reference.isdigit():
        if int(reference) >= before:
            raise InvalidArgument(
                f"invalid from flag value {reference}: refers to current build stage"
                if int(reference) == before
                else f"invalid from flag value {reference}: invalid stage index {reference}"
            )
        return int(reference)
    return None


def references(instruction: model.Instruction) -> Iterator[str]:
    """Yield the stages or images that an instruction reads from, as it writes them."""
    if isinstance(instruction, model.Copy) and instruction.from_:
        yield instruction.from_
    elif isinstance(instruction, model.Run):
        yield from (mount.origin for mount in instruction.mounts if mount.origin)


def _target(stages: Sequence[model.Stage], target: str) -> int:
    if not target:
        return len(stages) - 1
    for index in reversed(range(len(stages))):
        if stages[index].name == target.lower():
            return index
    if target.isdigit() and int(target) < len(stages):
        return int(target)
    raise InvalidArgument(f"failed to reach build target {target} in Dockerfile")


def _node(stages: Sequence[model.Stage], index: int) -> Node:
    stage = stages[index]
    base = None
    for earlier in reversed(range(index)):
        if stages[earlier].name and stages[earlier].name == stage.base.lower():
            base = earlier
            break
    found = [find_stage(stages, text, index) for step in stage.instructions for text in references(step)]
    needs = frozenset(number for number in (base, *found) if number is not None)
    return Node(index, stage, base, needs)
