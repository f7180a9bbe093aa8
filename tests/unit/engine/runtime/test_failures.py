"""The runtimes' words in Docker's."""

from __future__ import annotations

import pytest

from engine.runtime import failures


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        (
            "2026-11-24T05:38:51.422155Z: executable file `nosuch` not found in $PATH: No such file or directory",
            127,
            'exec: "nosuch": executable file not found in $PATH: unknown',
        ),
        (
            "error: executable file `/a b/c` not found: No such file or directory",
            127,
            'exec: "/a b/c": stat /a b/c: no such file or directory: unknown',
        ),
        ("error: open executable: Permission denied", 126, 'exec: "asked": permission denied: unknown'),
        ("error: open executable: Operation not permitted", 126, 'exec: "asked": permission denied: unknown'),
        (
            "chdir to `/nosuch`: No such file or directory",
            126,
            'chdir to cwd ("/nosuch") set in config.json failed: no such file or directory: unknown',
        ),
        (
            'time="2026-11-24T06:56:44Z" level=error msg="runc create failed: unable to start container process: '
            'exec: \\"nosuch\\": executable file not found in $PATH"',
            127,
            'unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown',
        ),
        (
            'time="x" level=error msg="exec failed: unable to start container process: '
            'exec: \\"/etc/passwd\\": permission denied"',
            126,
            'unable to start container process: exec: "/etc/passwd": permission denied: unknown',
        ),
        (
            "error: stat `/dev/mqueue`: No such file or directory",
            128,
            "unable to start container process: stat `/dev/mqueue`: No such file or directory: unknown",
        ),
        ("\n\n  error: something else\n", 128, "unable to start container process: something else: unknown"),
        ("", 128, "unable to start container process: the runtime failed without a word: unknown"),
    ],
    ids=[
        "not in path",
        "no file",
        "no access",
        "a folder",
        "no cwd",
        "runc: not in path",
        "runc: no access",
        "mount source",
        "other",
        "silent",
    ],
)
def test_words_and_exit_code(said: str, code: int, text: str) -> None:
    failed = failures.create_failed(said, "asked")
    assert failed.exit_code == code
    assert str(failed).startswith("failed to create shim task: OCI runtime create failed: ")
    assert str(failed).endswith(text)


def test_exec_has_its_own_beginning() -> None:
    assert str(failures.exec_failed("x")).startswith("OCI runtime exec failed: exec failed: ")
