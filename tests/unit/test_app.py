"""The entry point: what it says to wrong words, and when it refuses to start."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

import app
from config import contract


def test_without_a_command_it_shows_its_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([]) == 2
    assert "usage: app.py COMMAND" in capsys.readouterr().out


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--help"]) == 0
    assert "engine" in capsys.readouterr().out


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["nosuch"]) == 2
    assert "no command 'nosuch'" in capsys.readouterr().err


def test_the_version_is_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["version"]) == 0
    assert contract.PRODUCT_VERSION in capsys.readouterr().out


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BERTH_SANDBOX_POOL", "many")
    assert app.main(["up"]) == 1
    assert "BERTH_SANDBOX_POOL='many'" in capsys.readouterr().err


def test_without_root_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(app.Refused, match="needs root"):
        app.check_root()


def test_a_port_in_use_is_refused_and_a_free_one_is_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(app.Refused, match=f"127.0.0.1:{port} is in use by another program"):
            app.check_port_free(f"127.0.0.1:{port}")
    app.check_port_free(f"127.0.0.1:{port}")


@pytest.mark.parametrize("bind", ["", "8080:", "localhost", "127.0.0.1:http"])
def test_an_address_without_port_is_refused(bind: str) -> None:
    with pytest.raises(app.Refused, match="expected an address and a port"):
        app.check_port_free(bind)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(app.Refused, match=r"can't listen on 192\.0\.2\.1:80"):
        app.check_port_free("192.0.2.1:80")


def test_a_second_supervisor_is_refused_and_told_the_firsts_pid(tmp_path: Path) -> None:
    with app.lock_instance(tmp_path), pytest.raises(app.Refused, match=rf"already runs on .* \(pid {os.getpid()}\)"):
        app.lock_instance(tmp_path)
    app.lock_instance(tmp_path).close()


def test_a_socket_that_nobody_serves_is_no_engine(tmp_path: Path) -> None:
    app.check_no_engine(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / contract.ADMIN_SOCKET))
    app.check_no_engine(tmp_path)
