"""What `engine.runtime.base.Runtime` and `ExitWatcher` promise, asked of the real programs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from engine.errors import NotFound, RuntimeFailed
from engine.kernel import proc
from tests.support.runtime_bench import Bench, until


def test_exit_code_and_output_of_a_short_process(bench: Bench) -> None:
    container, created = bench.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    notice = bench.notice()
    assert (notice.container_id, notice.exec_id, notice.exit_code) == (container, None, 7)
    assert abs(notice.time_ns - time.time_ns()) < 5e9
    assert sorted(bench.log(container)) == ["err", "out"]
    assert not proc.is_alive(created.pid)


def test_created_process_waits_for_start(bench: Bench) -> None:
    container, created = bench.create(["echo", "hello"])
    truth = bench.runtime.probe(container)
    assert (truth.alive, truth.pid, truth.conmon_pid, truth.started) == (True, created.pid, created.conmon_pid, False)
    assert bench.notices.empty()
    bench.runtime.start(container)
    assert bench.notice().exit_code == 0
    assert bench.log(container) == ["hello"]


def test_death_by_signal_is_128_plus(bench: Bench) -> None:
    container, created = bench.run(["sleep", "60"])
    assert bench.runtime.probe(container).started
    assert bench.runtime.signal(container, created.pid, signal.SIGKILL) is True
    assert bench.notice().exit_code == 137
    until(lambda: not proc.is_alive(created.pid))
    assert bench.runtime.signal(container, created.pid, signal.SIGTERM) is False


def test_a_stranger_with_the_pid_is_never_signalled(bench: Bench) -> None:
    container, _ = bench.run(["sleep", "60"])
    assert bench.runtime.signal(container, os.getpid(), signal.SIGKILL) is False


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH: unknown'),
        (["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied: unknown'),
        (["/no/such/file"], 127, 'exec: "/no/such/file": stat /no/such/file: no such file or directory: unknown'),
    ],
    ids=["not in path", "not executable", "no such file"],
)
def test_create_failure_speaks_dockers_words(bench: Bench, argv: list[str], code: int, words: str) -> None:
    launch = bench.launch(argv)
    with pytest.raises(RuntimeFailed) as caught:
        bench.runtime.create(launch)
    assert caught.value.exit_code == code
    assert str(caught.value).startswith("failed to create shim task: OCI runtime create failed: ")
    assert str(caught.value).endswith(words)
    assert list(bench.folders.state.iterdir()) == []
    assert not bench.cgroups.exists(f"/berth/h1contract/default/{launch.container_id}")


def test_pause_stops_and_resume_goes_on(bench: Bench) -> None:
    container, created = bench.run(["sh", "-c", "while :; do echo tick; sleep 0.01; done"])
    until(lambda: len(bench.log(container)) > 2)
    bench.runtime.pause(container)
    time.sleep(0.03)
    count = len(bench.log(container))
    time.sleep(0.08)
    assert len(bench.log(container)) == count
    bench.runtime.resume(container)
    until(lambda: len(bench.log(container)) > count)
    bench.runtime.pause(container)
    assert bench.runtime.signal(container, created.pid, signal.SIGKILL)
    assert bench.notice().exit_code == 137


def test_delete_of_a_running_container_leaves_nothing(bench: Bench) -> None:
    container, created = bench.run(["sh", "-c", "sleep 60 & sleep 60 & wait"])
    bench.runtime.delete(container)
    assert not proc.is_alive(created.pid)
    assert bench.notice().container_id == container
    bench.runtime.delete(container)
    assert [list(folder.iterdir()) for folder in (bench.folders.state, bench.folders.bundles)] == [[], []]
    assert not bench.cgroups.exists(f"/berth/h1contract/default/{container}")
    assert not bench.runtime.probe(container).alive


def test_attach_sees_every_byte_and_stdin_ends(bench: Bench) -> None:
    container, _ = bench.create(["sh", "-c", "echo first; cat; echo last >&2"], stdin=True, once=True)
    attachment = bench.runtime.attach(container)
    bench.runtime.start(container)
    attachment.send(b"typed\n" * 20_000)
    got = {1: b"", 2: b""}
    while len(got[1]) < 6 + 120_000 and (packet := attachment.recv()):
        got[packet[0]] += packet[1]
    attachment.close_stdin()
    while packet := attachment.recv():
        got[packet[0]] += packet[1]
    attachment.close()
    assert got == {1: b"first\n" + b"typed\n" * 20_000, 2: b"last\n"}
    assert bench.notice().exit_code == 0


def test_stdin_stays_open_when_a_client_leaves_unless_once(bench: Bench) -> None:
    container, _ = bench.run(["cat"], stdin=True)
    first = bench.runtime.attach(container)
    first.send(b"one\n")
    assert first.recv() == (1, b"one\n")
    first.close()
    second = bench.runtime.attach(container)
    second.send(b"two\n")
    assert second.recv() == (1, b"two\n")
    second.close()
    assert bench.notices.empty()


def test_close_wakes_a_reader(bench: Bench) -> None:
    import threading

    container, _ = bench.run(["sleep", "60"])
    attachment = bench.runtime.attach(container)
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.append(attachment.recv()))
    reader.start()
    time.sleep(0.02)
    attachment.close()
    reader.join(2)
    assert got == [None]


def test_terminal_has_a_size_and_echoes(bench: Bench) -> None:
    container, _ = bench.create(["sh", "-c", "read x; stty size"], tty=True, stdin=True)
    attachment = bench.runtime.attach(container)
    bench.runtime.start(container)
    bench.runtime.resize(container, None, 132, 43)
    time.sleep(0.05)
    attachment.send(b"go\n")
    out = b""
    while b"\r\n" not in out.removeprefix(b"go\r\n") and (packet := attachment.recv()):
        assert packet[0] == 1
        out += packet[1]
    attachment.close()
    assert out == b"go\r\n43 132\r\n"


def test_attach_and_resize_of_the_gone_are_not_found(bench: Bench) -> None:
    container, _ = bench.run(["true"])
    bench.notice()
    until(lambda: not (bench.folders.bundles / container / "attach").exists() or _refuses(bench, container))
    with pytest.raises(NotFound):
        bench.runtime.resize("0" * 64, None, 80, 24)


def _refuses(bench: Bench, container: str) -> bool:
    try:
        bench.runtime.attach(container).close()
    except NotFound:
        return True
    return False


def test_log_is_reopened_after_a_rename(bench: Bench) -> None:
    container, _ = bench.run(["sh", "-c", "echo before; read x; echo after"], stdin=True)
    until(lambda: bench.log(container) == ["before"])
    log = bench.root / f"{container}.log"
    log.rename(bench.root / "rotated")
    bench.runtime.reopen_log(container)
    until(log.exists)
    attachment = bench.runtime.attach(container)
    attachment.send(b"\n")
    assert bench.notice().exit_code == 0
    attachment.close()
    assert bench.log(container) == ["after"]
    assert (bench.root / "rotated").read_text().endswith("before\n")


def test_limits_change_while_it_runs(bench: Bench) -> None:
    container, _ = bench.run(["sleep", "60"])
    name = f"/berth/h1contract/default/{container}"
    file = "memory.max" if bench.cgroups.is_v2 else "memory.limit_in_bytes"
    bench.runtime.update(container, {"memory": {"limit": 64 << 20}, "pids": {"limit": 17}})
    assert bench.cgroups.read(name, "memory", file).strip() == str(64 << 20)
    assert bench.cgroups.read(name, "pids", "pids.max").strip() == "17"


def test_out_of_memory_is_told(bench: Bench) -> None:
    container, _ = bench.create(["sh", "-c", "x=$(head -c 60000000 /dev/zero | tr '\\0' x); echo $?"])
    bench.runtime.update(container, {"memory": {"limit": 16 << 20, "swap": 16 << 20}})
    bench.runtime.start(container)
    assert bench.notice(10).oom_killed is True


PROCESS = {"user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin", "X=y"], "cwd": "/tmp", "args": ["true"]}


def test_exec_exit_code_and_output(bench: Bench) -> None:
    container, _ = bench.run(["sleep", "60"])
    process = {**PROCESS, "args": ["sh", "-c", "echo $X $PWD; echo bad >&2; exit 5"]}
    done = bench.runtime.exec_(container, "e1", process, attach=True)
    bench.watcher.watch_exec(container, "e1", done.conmon_pid)
    got = {1: b"", 2: b""}
    assert done.attachment
    while packet := done.attachment.recv():
        got[packet[0]] += packet[1]
    done.attachment.close()
    assert got == {1: b"y /tmp\n", 2: b"bad\n"}
    notice = bench.notice()
    assert (notice.container_id, notice.exec_id, notice.exit_code) == (container, "e1", 5)
    assert bench.runtime.probe(container).alive


def test_exec_reads_stdin_to_its_end(bench: Bench) -> None:
    container, _ = bench.run(["sleep", "60"])
    done = bench.runtime.exec_(container, "e2", {**PROCESS, "args": ["wc", "-c"]}, stdin=True, attach=True)
    bench.watcher.watch_exec(container, "e2", done.conmon_pid)
    assert done.attachment
    done.attachment.send(b"x" * 100_000)
    done.attachment.close_stdin()
    assert done.attachment.recv() == (1, b"100000\n")
    assert done.attachment.recv() is None
    done.attachment.close()
    assert bench.notice().exit_code == 0


def test_exec_detached_runs_and_is_told(bench: Bench) -> None:
    container, _ = bench.run(["sleep", "60"])
    done = bench.runtime.exec_(container, "e3", {**PROCESS, "args": ["sh", "-c", "sleep 0.05; exit 9"]})
    assert done.attachment is None
    assert proc.is_alive(done.pid)
    bench.watcher.watch_exec(container, "e3", done.conmon_pid)
    assert bench.notice().exit_code == 9


@pytest.mark.parametrize("attach", [True, False], ids=["attached", "detached"])
def test_exec_of_nothing_speaks_dockers_words(bench: Bench, attach: bool) -> None:
    container, _ = bench.run(["sleep", "60"])
    with pytest.raises(RuntimeFailed) as caught:
        bench.runtime.exec_(container, "e4", {**PROCESS, "args": ["nosuch"]}, attach=attach)
    assert caught.value.exit_code == 127
    assert str(caught.value) == (
        'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": '
        "executable file not found in $PATH: unknown"
    )


def test_exec_on_a_terminal(bench: Bench) -> None:
    container, _ = bench.run(["sleep", "60"])
    process = {**PROCESS, "args": ["sh", "-c", "tty; exit 3"], "terminal": True}
    done = bench.runtime.exec_(container, "e5", process, tty=True, stdin=True, attach=True)
    bench.watcher.watch_exec(container, "e5", done.conmon_pid)
    assert done.attachment
    assert done.attachment.recv() == (1, b"/dev/pts/0\r\n")
    done.attachment.close()
    assert bench.notice().exit_code == 3


def test_lost_monitor_is_told_and_what_is_left_is_killed(bench: Bench) -> None:
    container, created = bench.run(["sleep", "60"])
    os.kill(created.conmon_pid, signal.SIGKILL)
    notice = bench.notice()
    assert (notice.container_id, notice.exit_code) == (container, 137)
    until(lambda: not proc.is_alive(created.pid))


def test_exit_while_nobody_watched_is_found_later(bench: Bench) -> None:
    launch = bench.launch(["sh", "-c", "exit 4"])
    created = bench.runtime.create(launch)
    bench.runtime.start(launch.container_id)
    until(lambda: (bench.folders.exits / launch.container_id).exists())
    truth = bench.runtime.probe(launch.container_id)
    assert truth.exit is not None
    assert (truth.alive, truth.exit.exit_code) == (False, 4)
    bench.watcher.watch(launch.container_id, created.conmon_pid)
    assert bench.notice().exit_code == 4


def test_exit_is_told_once(bench: Bench) -> None:
    containers = {bench.run(["true"])[0] for _ in range(5)}
    assert {bench.notice().container_id for _ in range(5)} == containers
    time.sleep(0.1)
    assert bench.notices.empty()


def test_same_id_runs_again_after_its_end(bench: Bench) -> None:
    container, _ = bench.run(["sh", "-c", "exit 2"])
    assert bench.notice().exit_code == 2
    launch = bench.launch(["true"])
    spec = (launch.bundle / "config.json").read_text().replace(launch.container_id, container)
    bench.runtime.delete(container)
    folder = bench.folders.bundles / container
    folder.mkdir()
    (folder / "config.json").write_text(spec)
    (folder / "cgroup").write_text(f"/berth/h1contract/default/{container}")
    again = type(launch)(container, folder, Path(bench.root / f"{container}.log"))
    created = bench.runtime.create(again)
    bench.watcher.watch(container, created.conmon_pid)
    bench.runtime.start(container)
    assert bench.notice().exit_code == 0


def test_deleted_container_leaves_no_exit_file_behind(bench: Bench) -> None:
    for _ in range(5):
        container, _ = bench.run(["sleep", "60"])
        bench.runtime.delete(container)
    time.sleep(0.05)
    assert list(bench.folders.exits.iterdir()) == []


def test_monitor_leaves_the_engines_service(bench: Bench) -> None:
    service = bench.cgroups
    service.adopt("/berth-test-service.scope", os.getpid())
    try:
        own = service.own_name()
        inside = type(bench.runtime)(bench.folders, bench.programs, service)
        launch = bench.launch(["sleep", "60"])
        created = inside.create(launch)
        bench.monitors.append(created.conmon_pid)
        bench.watcher.watch(launch.container_id, created.conmon_pid)
        assert own == "/berth-test-service.scope"
        assert "/berth/h1contract/default/monitors" in proc.cgroup_of(created.conmon_pid).values()
        inside.close()
    finally:
        service.adopt("/", os.getpid())
        service.remove("/berth-test-service.scope")
