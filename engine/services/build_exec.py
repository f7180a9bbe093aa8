"""RUN as a step: its command line, what it depends on, and its run in a root of its own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from engine import policy
from engine.build import config as configs
from engine.build import model
from engine.build.keys import Inputs
from engine.containers.model import Config as ContainerConfig
from engine.containers.model import HostConfig, MountPoint
from engine.errors import Unsupported
from engine.images.model import ImageLayer
from engine.services import build_run
from engine.services.build_job import Job, Step
from engine.services.build_mounts import StepMounts
from engine.services.build_run import Process
from engine.services.build_state import State
from engine.services.build_steps import Outcome, Wanted, label_of, settle
from engine.values import ImageConfig

PROXIES = frozenset(
    name for word in ("http", "https", "ftp", "no", "all") for name in (f"{word}_proxy", f"{word.upper()}_PROXY")
)
"""Build arguments that need no ARG, and count for no cache key and no history."""
_SCRIPT = re.compile(r"\s*\d*<<-?\s*(['\"]?)\w+\1\s*\Z")
_PIPES = "/dev/pipes"


@dataclass(frozen=True, slots=True)
class RunStep:
    """One RUN of stage number `stage`."""

    job: Job
    step: Step
    stage: int
    state: State
    instruction: model.Run

    def settle(self) -> Outcome:
        """Run it, or take its result from the cache."""
        instruction, state = self.instruction, self.state
        if instruction.devices:
            raise Unsupported("RUN --device: not supported by Berth")
        argv, script = command_line(state.config, instruction.command)
        mounts = StepMounts(self.job, self.step, self.stage, state, instruction.mounts)
        mount_words, files = mounts.inputs()
        args = {name: value for name, value in state.args.items() if name not in PROXIES}
        inputs = Inputs(
            "run",
            {
                "parent": state.top,
                "text": json.dumps([argv, script]),
                "user": state.config.user,
                "workdir": state.config.working_dir,
                "network": instruction.network or self.job.wish.host.network_mode,
                "security": instruction.security,
                "mounts": mount_words,
                "epoch": str(self.job.epoch or ""),
            },
            files=files,
            env=configs.variables(state.config),
            args=args,
        )
        words = " ".join(argv)
        shown = {k: v for k, v in args.items() if k not in configs.variables(state.config)}
        if shown:
            words = " ".join([f"|{len(shown)}", *(f"{k}={v}" for k, v in sorted(shown.items())), words])
        label = label_of("RUN", instruction.origin.text.partition(" ")[2] or argv[-1])
        wanted = Wanted(inputs, label, instruction.origin.text, words, state.config)
        ran: list[str] = []
        outcome = settle(self.job, self.step, state, wanted, lambda: self._make(argv, script, mounts, ran))
        return replace(outcome, container=ran[0] if ran else "")

    def _make(self, argv: tuple[str, ...], script: str, mounts: StepMounts, ran: list[str]) -> ImageLayer | None:
        job, state = self.job, self.state
        host = self._host()
        key = job.bench.prepare(state.chain)
        ran.append(key)
        try:
            with ExitStack() as undo:
                root = job.bench.mounted(key)
                prepared = mounts.prepare(key, undo)
                points = [*prepared.points, *self._script(key, script)]
                targets = [point.destination for point in points if not point.destination.startswith("/dev/")]
                made = build_run.missing_targets(root, targets)
                etc = _stat(root / "etc")
                env = (*build_run.environment(state.config, {**self._proxies(), **state.args}), *prepared.variables)
                process = Process(argv, env, state.config, host, tuple(points))
                job.log.add("running", self.step.number, container=key)
                job.runner.run(job.scope, key, state.chain, process, self._tell, job.stop)
            job.bench.unmount(key)
            build_run.drop_stubs(job.bench.upper(key), made, etc)
            return job.bench.commit(key, state.chain, job.epoch)
        finally:
            job.bench.remove(key)

    def _host(self) -> HostConfig:
        """Return the container's limits and modes; Forbidden for what the Dockerfile may not ask for."""
        host, network = self.job.wish.host, self.instruction.network
        if network and network != "default":
            host = replace(host, network_mode=network)
        if self.instruction.security == "insecure":
            host = replace(host, privileged=True)
        policy.check_create(self.job.scope, ContainerConfig(), host)
        return host

    def _proxies(self) -> Mapping[str, str]:
        return {name: value for name, value in self.job.wish.args.items() if name in PROXIES and value is not None}

    def _script(self, key: str, script: str) -> list[MountPoint]:
        if not script:
            return []
        folder = self.job.paths.bundle(key)
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / "script"
        path.write_text(script)
        path.chmod(0o755)
        return [MountPoint("bind", f"{_PIPES}/script", source=str(path), rw=False)]

    def _tell(self, stream: int, text: str) -> None:
        self.job.log.add("output", self.step.number, stream=stream, text=text)


def command_line(config: ImageConfig, command: model.CommandLine) -> tuple[tuple[str, ...], str]:
    """Return the argument vector of RUN, and a script that is to be mounted for it ("" for none)."""
    if not command.heredocs:
        return configs.command(config, command), ""
    line = command.args[0] if command.args else ""
    first = command.heredocs[0]
    if len(command.heredocs) == 1 and (_SCRIPT.match(line) or not line):
        if first.text.startswith("#!"):
            return (f"{_PIPES}/script",), first.text
        return (*(config.shell or configs.DEFAULT_SHELL), first.text), ""
    text = line + "\n" + "".join(f"{doc.content}{doc.name}\n" for doc in command.heredocs)
    return (*(config.shell or configs.DEFAULT_SHELL), text), ""


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
