"""`docker run`: what the process sees, what the caller gets back."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.docker_cli import Docker, Terminal, eventually


def test_stdout_and_stderr_of_the_command_arrive_apart(docker: Docker) -> None:
    result = docker("run", "--rm", docker.image, "sh", "-c", "echo to-stdout; echo to-stderr >&2")
    assert (result.code, result.out, result.err) == (0, "to-stdout\n", "to-stderr\n")


def test_the_exit_status_is_the_commands_own(docker: Docker) -> None:
    assert docker("run", "--rm", docker.image, "sh", "-c", "exit 42").code == 42


def test_a_command_ended_by_a_signal_exits_with_128_plus_its_number(docker: Docker) -> None:
    name = docker.name()
    docker.running("--name", name, script="kill -TERM $$; sleep 1; kill -KILL $$; sleep 10")
    docker("kill", name)
    assert docker.ok("wait", name) == "137"


def test_a_command_that_does_not_exist_exits_with_127(docker: Docker) -> None:
    result = docker("run", "--rm", docker.image, "no-such-command")
    assert result.code == 127
    assert 'exec: "no-such-command": executable file not found in $PATH' in result.err
    assert result.err.startswith("docker: Error response from daemon: ")


def test_a_path_that_does_not_exist_exits_with_127(docker: Docker) -> None:
    result = docker("run", "--rm", docker.image, "/no/such/file")
    assert result.code == 127
    assert "/no/such/file" in result.err
    assert "no such file or directory" in result.err


def test_a_command_that_may_not_be_executed_exits_with_126(docker: Docker) -> None:
    result = docker("run", "--rm", docker.image, "/not-executable")
    assert result.code == 126
    assert "permission denied" in result.err


def test_a_directory_as_command_exits_with_126(docker: Docker) -> None:
    assert docker("run", "--rm", docker.image, "/etc").code == 126


def test_an_unknown_flag_exits_with_125(docker: Docker) -> None:
    assert "unknown flag: --no-such-flag" in docker.fails("run", "--no-such-flag", docker.image, code=125)


def test_a_refusal_of_the_engine_exits_with_125(docker: Docker) -> None:
    error = docker.fails("run", "--rm", "--memory", "1m", docker.image, "true", code=125)
    assert "Minimum memory limit allowed is 6MB" in error


def test_a_failed_start_leaves_the_container_created_with_its_error(docker: Docker) -> None:
    name = docker.name()
    docker("run", "--name", name, docker.image, "no-such-command")
    state = docker.inspect(name)["State"]
    assert state["Status"] == "created"
    assert state["ExitCode"] == 127
    assert "no-such-command" in state["Error"]


def test_the_images_environment_and_options_reach_the_process(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "-e", "GIVEN=a b", "-e", "FROM_IMAGE=changed", docker.image, "env")
    seen = dict(line.split("=", 1) for line in out.splitlines())
    assert seen["GIVEN"] == "a b"
    assert seen["FROM_IMAGE"] == "changed"
    assert seen["PATH"].startswith("/usr/local/sbin")
    assert seen["HOME"] == "/root"
    assert re.fullmatch("[0-9a-f]{12}", seen["HOSTNAME"])
    assert "TERM" not in seen


def test_a_terminal_sets_term(docker: Docker) -> None:
    with docker.terminal("run", "--rm", "-t", docker.image, "sh", "-c", "echo term=$TERM") as terminal:
        terminal.expect("term=xterm")


def test_environment_from_a_file(docker: Docker, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# comment\nA=1\nB=two words\n")
    out = docker.ok("run", "--rm", "--env-file", file, docker.image, "sh", "-c", 'echo "$A,$B"')
    assert out == "1,two words"


def test_a_command_replaces_the_images_and_keeps_its_entrypoint(docker: Docker) -> None:
    assert docker.ok("run", "--rm", f"{docker.image}:full") == "entry default"
    assert docker.ok("run", "--rm", f"{docker.image}:full", "mine", "x") == "entry mine x"


def test_an_entrypoint_replaces_the_images_and_drops_its_command(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "--entrypoint", "echo", f"{docker.image}:full", "only") == "only"
    assert docker.ok("run", "--rm", "--entrypoint", "echo", f"{docker.image}:full") == ""


def test_an_empty_entrypoint_takes_the_images_away(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "--entrypoint", "", f"{docker.image}:full", "echo", "bare") == "bare"


def test_without_any_command_the_create_is_refused(docker: Docker) -> None:
    error = docker.fails("run", "--rm", "--entrypoint", "", f"{docker.image}:full", code=125)
    assert "No command specified" in error or "no command specified" in error


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "uid=0(root) gid=0(root)"),
        ("app", "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)"),
        ("1000", "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)"),
        ("app:daemon", "uid=1000(app) gid=1(daemon)"),
        ("1234:4321", "uid=1234 gid=4321"),
        ("1234", "uid=1234 gid=0(root)"),
        ("nobody:nogroup", "uid=65534(nobody) gid=65534(nogroup)"),
    ],
)
def test_the_user_is_looked_up_in_the_containers_own_files(docker: Docker, user: str, expected: str) -> None:
    assert docker.ok("run", "--rm", "--user", user, docker.image, "id").startswith(expected)


def test_an_unknown_user_is_refused(docker: Docker) -> None:
    result = docker("run", "--rm", "--user", "nosuch", docker.image, "id")
    assert result.code in (125, 126)
    assert "unable to find user nosuch: no matching entries in passwd file" in result.err


def test_an_unknown_group_is_refused(docker: Docker) -> None:
    result = docker("run", "--rm", "--user", "app:nosuch", docker.image, "id")
    assert result.code in (125, 126)
    assert "unable to find group nosuch: no matching entries in group file" in result.err


def test_groups_can_be_added(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--user", "1000", "--group-add", "daemon", "--group-add", "777", docker.image, "id")
    groups = out.partition("groups=")[2]
    assert "1(daemon)" in groups
    assert "777" in groups


def test_home_is_the_users(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "--user", "app", docker.image, "sh", "-c", "echo $HOME") == "/home/app"


def test_the_image_presets_user_and_folder(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--entrypoint", "sh", f"{docker.image}:full", "-c", "pwd; id -un")
    assert out.splitlines() == ["/home/app", "app"]


def test_a_working_folder_that_is_missing_is_made(docker: Docker) -> None:
    assert docker.ok("run", "--rm", "-w", "/deep/and/new", docker.image, "pwd") == "/deep/and/new"


def test_a_relative_working_folder_is_refused(docker: Docker) -> None:
    error = docker.fails("run", "--rm", "-w", "relative", docker.image, "pwd", code=125)
    assert "the working directory 'relative' is invalid, it needs to be an absolute path" in error


def test_hostname_and_domainname(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--hostname", "box", docker.image, "sh", "-c", "hostname; cat /etc/hostname")
    assert out.splitlines() == ["box", "box"]
    out = docker.ok("run", "--rm", "-h", "box", "--domainname", "example.org", docker.image, "cat", "/etc/hosts")
    assert re.search(r"^\S+\s+box.example.org box$", out, re.MULTILINE)


def test_the_default_hostname_is_the_short_id(docker: Docker) -> None:
    name = docker.name()
    out = docker.ok("run", "--name", name, docker.image, "hostname")
    assert out == docker.inspect(name)["Id"][:12]


def test_hosts_entries_can_be_added(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--add-host", "peer.example:10.9.8.7", docker.image, "cat", "/etc/hosts")
    assert re.search(r"^10\.9\.8\.7\s+peer\.example$", out, re.MULTILINE)


def test_name_servers_can_be_given(docker: Docker) -> None:
    out = docker.ok(
        "run", "--rm", "--dns", "192.0.2.53", "--dns-search", "example.org", "--dns-option", "ndots:3",
        docker.image, "cat", "/etc/resolv.conf",
    )  # fmt: skip
    assert "nameserver 192.0.2.53" in out
    assert "search example.org" in out
    assert "options ndots:3" in out


def test_labels_of_image_and_options_are_joined(docker: Docker, tmp_path: Path) -> None:
    file = tmp_path / "labels"
    file.write_text("in.file=1\n")
    name = docker.name()
    docker.ok("create", "--name", name, "--label", "a=b", "-l", "empty", "--label-file", file, docker.image)
    labels = docker.inspect(name)["Config"]["Labels"]
    assert labels.items() >= {"a": "b", "empty": "", "in.file": "1", "from.image": "yes"}.items()


def test_input_reaches_the_command_and_ends(docker: Docker) -> None:
    result = docker("run", "--rm", "-i", docker.image, "sh", "-c", "cat; echo end", stdin="one\ntwo\n")
    assert result.out == "one\ntwo\nend\n"


def test_a_megabyte_goes_in_and_comes_back(docker: Docker) -> None:
    data = "0123456789abcde\n" * 65536
    result = docker("run", "--rm", "-i", docker.image, "cat", stdin=data)
    assert result.out == data


def test_without_i_the_command_has_no_input(docker: Docker) -> None:
    assert docker("run", "--rm", docker.image, "sh", "-c", "cat; echo end", stdin="ignored\n").out == "end\n"


def test_detached_prints_the_id_at_once(docker: Docker) -> None:
    started = time.monotonic()
    out = docker.ok("run", "-d", docker.image, "sleep", "30")
    assert re.fullmatch("[0-9a-f]{64}", out)
    assert time.monotonic() - started < 10
    assert docker.inspect(out)["State"]["Running"] is True
    docker.ok("kill", out)


def test_the_id_is_written_to_a_file(docker: Docker, tmp_path: Path) -> None:
    file = tmp_path / "cid"
    docker.ok("run", "--rm", "--cidfile", file, docker.image, "true")
    assert re.fullmatch("[0-9a-f]{64}", file.read_text())


def test_rm_takes_the_container_and_its_anonymous_volume_away(docker: Docker) -> None:
    name, token = docker.name(), docker.name("kept")
    docker.ok("run", "--rm", "--name", name, "-v", "/scratch", "-v", f"{token}:/kept", docker.image, "touch", "/kept/x")
    assert f"No such container: {name}" in docker.fails("logs", name)
    assert docker.inspect(token)["Name"] == token


def test_rm_of_a_detached_container_happens_by_itself(docker: Docker) -> None:
    cid = docker.ok("run", "-d", "--rm", docker.image, "true")
    eventually(lambda: docker("inspect", cid).code == 1, 10, "the removal")


def test_names_are_made_of_an_adjective_and_a_person(docker: Docker) -> None:
    cid = docker.ok("create", docker.image)
    assert re.fullmatch(r"/[a-z]+_[a-z]+\d?", docker.inspect(cid)["Name"])


def test_a_name_that_is_taken_is_refused(docker: Docker) -> None:
    name = docker.name()
    first = docker.ok("create", "--name", name, docker.image)
    error = docker.fails("create", "--name", name, docker.image)
    assert (
        f'Error response from daemon: Conflict. The container name "/{name}" is already in use by container "{first}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    ) in error


def test_a_name_of_forbidden_characters_is_refused(docker: Docker) -> None:
    error = docker.fails("create", "--name", "no spaces", docker.image)
    assert "Invalid container name (no spaces), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in error


def test_an_unknown_image_is_pulled_and_when_that_fails_named(docker: Docker) -> None:
    error = docker.fails("run", "--rm", "127.0.0.1:1/nosuch/image:v1", code=125)
    assert error.startswith("Unable to find image '127.0.0.1:1/nosuch/image:v1' locally")
    assert "docker: Error response from daemon: " in error
    assert "connection refused" in error.lower()


def test_an_unknown_image_with_pull_never_is_not_found(docker: Docker) -> None:
    error = docker.fails("run", "--rm", "--pull", "never", "nosuch-image:v1", code=125)
    assert "No such image: nosuch-image:v1" in error


def test_a_container_starts_from_an_image_id(docker: Docker) -> None:
    image_id = json.loads(docker.ok("image", "inspect", docker.image))[0]["Id"]
    assert docker.ok("run", "--rm", image_id, "echo", "by-id") == "by-id"
    assert docker.ok("run", "--rm", image_id.removeprefix("sha256:")[:12], "echo", "by-short-id") == "by-short-id"


def test_init_is_pid_one_and_reaps(docker: Docker) -> None:
    out = docker.ok("run", "--rm", "--init", docker.image, "sh", "-c", "cat /proc/1/comm; (sleep 0 & exec true); ps")
    assert "sh" not in out.splitlines()[0]
    assert docker("run", "--rm", "--init", docker.image, "sh", "-c", "exit 7").code == 7


def test_a_person_at_a_terminal_types_and_reads(docker: Docker) -> None:
    with docker.terminal("run", "--rm", "-it", docker.image, "sh") as terminal:
        terminal.expect("# ")
        terminal.type("echo $((6 * 7)); tty\n")
        terminal.expect("42\r\n")
        terminal.expect("/dev/(pts/0|console)")
        terminal.type("exit 5\n")
        assert terminal.wait() == 5


def test_the_terminals_size_reaches_the_container_and_follows_the_window(docker: Docker) -> None:
    with docker.terminal("run", "--rm", "-it", docker.image, "sh", rows=31, columns=97) as terminal:
        terminal.expect("# ")
        eventually(lambda: _size_seen(terminal) == "31 97", 5, "the first size")
        terminal.resize(40, 120)
        eventually(lambda: _size_seen(terminal) == "40 120", 5, "the new size")
        terminal.type("exit\n")
        assert terminal.wait() == 0


def test_ctrl_c_interrupts_the_command_in_the_terminal(docker: Docker) -> None:
    script = "trap 'exit 99' INT; echo ready; sleep 60"
    with docker.terminal("run", "--rm", "-it", docker.image, "sh", "-c", script) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        assert terminal.wait() == 99


def test_the_detach_keys_leave_the_container_running(docker: Docker) -> None:
    name = docker.name()
    with docker.terminal("run", "--name", name, "-it", docker.image, "sh") as terminal:
        terminal.expect("# ")
        terminal.type("\x10\x11")
        assert terminal.wait() == 0
    assert docker.inspect(name)["State"]["Running"] is True


def _size_seen(terminal: Terminal) -> str:
    terminal.type("stty size\n")
    # Not the echo before it: the shell draws its line anew when the window changes.
    return terminal.expect(r"\n(\d+ \d+)\r\n").group(1)
