"""From a Dockerfile and what is asked of the build to its plan: global arguments, stages, steps and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.build import expand, graph, model
from engine.errors import InvalidArgument
from engine.refs import Platform
from engine.services.build_state import BuildWish

EPOCH = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as the log and the classic text name it; `stage` is a stage's label, "" for global arguments."""

    number: int
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build does. `numbers` are those of each needed stage's steps, FROM's first, by the stage's place."""

    stages: tuple[model.Stage, ...]
    graph: graph.Graph
    arguments: Mapping[str, str]
    declared: frozenset[str]
    """Names of the global arguments of the file."""
    steps: tuple[PlannedStep, ...]
    numbers: Mapping[int, tuple[int, ...]]
    epoch: int | None = None


def make_plan(dockerfile: model.Dockerfile, wish: BuildWish) -> Plan:
    """Return the plan; InvalidArgument for a target or a stage that is not there."""
    arguments = _platform_arguments(wish)
    if EPOCH in wish.args:
        arguments[EPOCH] = wish.args[EPOCH] or ""
    declared: set[str] = set()
    for instruction in dockerfile.arguments:
        plain = expand.expand(instruction, arguments, dockerfile.directives.escape)
        for variable in plain.variables:
            declared.add(variable.key)
            value = wish.args.get(variable.key)
            value = variable.value if value is None else value
            if value is not None:
                arguments[variable.key] = value
    stages = [_plain_stage(stage, arguments, dockerfile.directives.escape) for stage in dockerfile.stages]
    found = graph.build_graph(stages, wish.target)
    if wish.labels:
        stages[found.target] = _labelled(stages[found.target], wish.labels)
        found = graph.build_graph(stages, wish.target)
    steps, numbers = _numbered(dockerfile.arguments, found)
    return Plan(tuple(stages), found, arguments, frozenset(declared), steps, numbers, _epoch(wish))


def _plain_stage(stage: model.Stage, arguments: Mapping[str, str], escape: str) -> model.Stage:
    plain = expand.expand_stage(stage, arguments, escape)
    if not plain.base:
        raise InvalidArgument(f"base name ({stage.base}) should not be blank")
    return plain


def _labelled(stage: model.Stage, labels: Mapping[str, str]) -> model.Stage:
    pairs = tuple(model.KeyValue(key, value) for key, value in sorted(labels.items()))
    text = "LABEL" + "".join(f" {pair.key}={pair.value}" for pair in pairs)
    label = model.Label(pairs, origin=model.Origin(text))
    return replace(stage, instructions=(*stage.instructions, label))


def _numbered(
    arguments: Sequence[model.Arg], found: graph.Graph
) -> tuple[tuple[PlannedStep, ...], dict[int, tuple[int, ...]]]:
    steps = [PlannedStep(number + 1, "", arg.origin.text) for number, arg in enumerate(arguments)]
    numbers = {}
    for node in found.nodes:
        first = len(steps) + 1
        texts = [node.stage.origin.text, *(instruction.origin.text for instruction in node.stage.instructions)]
        steps += [PlannedStep(first + index, node.label, text) for index, text in enumerate(texts)]
        numbers[node.index] = tuple(range(first, first + len(texts)))
    return tuple(steps), numbers


def _platform_arguments(wish: BuildWish) -> dict[str, str]:
    host, target = Platform.host(), Platform.parse(wish.platform)
    found: dict[str, str] = {}
    for prefix, platform in (("BUILD", host), ("TARGET", target)):
        found |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return found


def _epoch(wish: BuildWish) -> int | None:
    text = wish.args.get(EPOCH)
    if text is None or text == "":
        return None
    if not text.isdigit():
        raise InvalidArgument(f"invalid {EPOCH}: {text}")
    return int(text)
