"""One stage of a build, from its FROM to its last instruction; each step is told in the build's log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.build import config as configs
from engine.build import expand, graph, model, parser
from engine.build.copying import Writer
from engine.build.keys import Inputs
from engine.build.records import CacheKind
from engine.clock import now_ns
from engine.errors import BerthError, InvalidArgument
from engine.images.model import ImageLayer
from engine.refs import Platform
from engine.services.build_copy import CopyStep
from engine.services.build_exec import RunStep
from engine.services.build_job import Job, Step
from engine.services.build_run import Canceled, StepFailed
from engine.services.build_state import State
from engine.services.build_steps import Outcome, Wanted, label_of, settle
from engine.values import ImageConfig


@dataclass(slots=True)
class StageBuild:
    """Builds one stage. `numbers` are those of its steps, FROM's first."""

    job: Job
    node: graph.Node
    numbers: Sequence[int]

    def run(self) -> State:
        """Return what the stage becomes; the first step that fails ends it."""
        stage = self.node.stage
        state = self._step(self.numbers[0], lambda step: self._from(step))
        for index, instruction in enumerate(stage.instructions):
            step = Step(self.numbers[index + 1], self.job.slot(self.node.label, str(index)))
            state = self._step(step.number, self._action(step, state, instruction), step)
        return state

    def _action(self, step: Step, state: State, instruction: model.Instruction) -> Callable[[Step], Outcome]:
        return lambda _: self._dispatch(step, state, instruction)

    def _step(self, number: int, action: Callable[[Step], Outcome], step: Step | None = None) -> State:
        """Do a step between its two events."""
        job = self.job
        job.stop.check()
        step = step or Step(number, job.slot(self.node.label, "from"))
        job.log.add("start", number)
        began = time.monotonic()
        try:
            outcome = action(step)
        except Canceled:
            self._end(number, began, state="canceled")
            raise
        except BerthError as error:
            self._end(number, began, state="failed", reason=str(error))
            raise
        self._end(
            number,
            began,
            state="cached" if outcome.cached else "done",
            reason=outcome.reason,
            image=outcome.state.image_id(),
            size=outcome.size,
            container=outcome.container,
        )
        return outcome.state

    def _end(self, number: int, began: float, **data: object) -> None:
        seconds = round(time.monotonic() - began, 4)
        self.job.log.add("end", number, seconds=seconds, **{k: v for k, v in data.items() if v})

    # -- FROM ------------------------------------------------------------------------------------------------------

    def _from(self, step: Step) -> Outcome:
        node, job = self.node, self.job
        if node.base_stage is not None:
            state = replace(job.stage_state(node.base_stage), args={}, cmd_is_own=False)
        elif node.stage.base.lower() == graph.SCRATCH:
            platform = Platform.parse(node.stage.platform or job.wish.platform)
            state = State(platform=platform, created=job.started)
        else:
            state = job.bases.state(job.image(node.stage.base, node.stage.platform, step))
        if "PATH" not in configs.variables(state.config):
            state = replace(state, config=replace(state.config, env=(*state.config.env, configs.DEFAULT_PATH)))
        return Outcome(self._triggered(step, state), cached=False)

    def _triggered(self, step: Step, state: State) -> State:
        """Run what ONBUILD of the base image asks for."""
        triggers = state.config.on_build or ()
        state = replace(state, config=replace(state.config, on_build=None))
        if triggers:
            plural = "s" if len(triggers) > 1 else ""
            self.job.log.add("note", step.number, text=f"# Executing {len(triggers)} build trigger{plural}\n")
        for index, text in enumerate(triggers):
            instruction = parser.parse_instruction(text)
            if isinstance(instruction, model.OnBuild):
                raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
            trigger = Step(step.number, self.job.slot(self.node.label, f"onbuild {index}"))
            state = self._dispatch(trigger, state, instruction).state
        return state

    # -- the instructions ------------------------------------------------------------------------------------------

    def _dispatch(self, step: Step, state: State, written: model.Instruction) -> Outcome:
        escape = self.job.dockerfile.directives.escape
        instruction = expand.expand(written, state.variables, escape)
        try:
            match instruction:
                case model.Run():
                    return RunStep(self.job, step, self.node.index, state, instruction).settle()
                case model.Copy() | model.Add():
                    return CopyStep(self.job, step, self.node.index, state, instruction).settle()
                case model.Workdir():
                    return self._workdir(step, state, instruction)
                case model.Arg():
                    return self._arg(step, state, instruction)
                case _:
                    return self._plain(step, state, instruction)
        except (StepFailed, Canceled):
            raise
        except OSError as error:
            raise InvalidArgument(f"{written.origin.text}: {error.strerror}: {error.filename}") from error

    def _plain(self, step: Step, state: State, instruction: configs.Plain) -> Outcome:
        config = configs.apply(state.config, instruction, cmd_is_own=state.cmd_is_own)
        words = configs.nop(config, configs.words_of(config, instruction))
        after = self._told(step, state, instruction, config, words)
        if isinstance(instruction, model.Cmd):
            after = replace(after, state=replace(after.state, cmd_is_own=True))
        if isinstance(instruction, model.Maintainer):
            after = replace(after, state=replace(after.state, author=instruction.name))
        return after

    def _arg(self, step: Step, state: State, instruction: model.Arg) -> Outcome:
        job = self.job
        args = dict(state.args)
        for variable in instruction.variables:
            job.consumed.add(variable.key)
            value = job.wish.args.get(variable.key)
            if value is None:
                value = variable.value
            if value is None:
                value = job.arguments.get(variable.key)
            if value is not None:
                args[variable.key] = value
        shown = " ".join(kv.key if kv.value is None else f"{kv.key}={kv.value}" for kv in instruction.variables)
        words = configs.nop(state.config, f"ARG {shown}")
        after = self._told(step, state, instruction, state.config, words)
        return replace(after, state=replace(after.state, args=args))

    def _told(
        self, step: Step, state: State, instruction: model.Instruction, config: ImageConfig, words: str
    ) -> Outcome:
        """Settle a step that runs nothing: its cache record keeps its time."""
        text = instruction.origin.text
        name, _, rest = text.partition(" ")
        inputs = Inputs("plain", {"parent": state.identity(), "text": words, "epoch": str(self.job.epoch or "")})
        wanted = Wanted(inputs, label_of(name.upper(), rest), text, words, config, kind=CacheKind.PLAIN)
        return settle(self.job, step, state, wanted, lambda: None)

    def _workdir(self, step: Step, state: State, instruction: model.Workdir) -> Outcome:
        config = configs.with_workdir(state.config, instruction.path)
        path = config.working_dir
        inputs = Inputs("workdir", {"parent": state.top, "text": path, "epoch": str(self.job.epoch or "")})
        words = configs.nop(config, f"WORKDIR {path}")
        wanted = Wanted(inputs, label_of("WORKDIR", path), instruction.origin.text, words, config)
        return settle(self.job, step, state, wanted, lambda: self._folder(state, path))

    def _folder(self, state: State, path: str) -> ImageLayer | None:
        return self.job.bench.layer(state.chain, lambda root: self._make_folder(root, path), self.job.epoch)

    @staticmethod
    def _make_folder(root: Path, path: str) -> None:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        writer = Writer(fd)
        try:
            writer.make_folder(path, now_ns())
            writer.finish()
        finally:
            writer.close()
            os.close(fd)
