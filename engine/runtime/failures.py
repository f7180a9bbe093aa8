"""What crun and runc say when they fail, in the words in which Docker's clients know it (pure).

`docker run` chooses its exit code by these words: 127 "executable file not found", 126 "permission denied", else 125.
"""

from __future__ import annotations

import re

from engine.errors import RuntimeFailed

_CREATE = "failed to create shim task: OCI runtime create failed: "
_EXEC = "OCI runtime exec failed: exec failed: "
_PROCESS = "unable to start container process: "

# crun: executable file `x` not found in $PATH: No such file or directory
_NOT_IN_PATH = re.compile(r"executable file [`'\"]?(?P<name>[^`'\"]*?)[`'\"]? not found")
# crun: cannot find/open executable, with a path in it
_NO_FILE = re.compile(r"\bexec(?:utable|ve)?\b.*?[`'\"](?P<name>/[^`'\"]*)[`'\"].*No such file", re.I)
_NO_ACCESS = re.compile(r"[`'\"](?P<name>[^`'\"]*)[`'\"].*permission denied", re.I)
_CWD = re.compile(r"(?:chdir|cwd|working directory)[^`'\"]*[`'\"](?P<name>[^`'\"]+)[`'\"]", re.I)
# runc, in logrus' words: time="…" level=error msg="… exec: \\"x\\": executable file not found in $PATH"
_LOGRUS = re.compile(r'level=error msg="(?P<text>(?:[^"\\]|\\.)*)"')
_RUNC = re.compile(r'exec: "(?P<name>[^"]*)": (?P<why>.+)$')
_PREFIX = re.compile(r"^(?:\d{4}-\d\d-\d\dT\S+:? )?(?:error|ERRO\S*|fatal):? *", re.I)


def create_failed(stderr: str, command: str = "") -> RuntimeFailed:
    """Return the error for a runtime that could not create a container; `command` is its argv[0]."""
    text, code = explain(stderr, command)
    return RuntimeFailed(f"{_CREATE}{text}", code)


def exec_failed(stderr: str, command: str = "") -> RuntimeFailed:
    """Return the error for a runtime that could not run a further process."""
    text, code = explain(stderr, command)
    return RuntimeFailed(f"{_EXEC}{text}", code)


def explain(stderr: str, command: str) -> tuple[str, int]:
    """Return Docker's words and exit code for what a runtime wrote."""
    text = clean(stderr)
    if found := _RUNC.search(text):
        code = 126 if "permission denied" in found["why"] else 127
        return f'{_PROCESS}exec: "{found["name"]}": {found["why"]}: unknown', code
    if found := _NOT_IN_PATH.search(text):
        name = found["name"] or command
        why = f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
        return f'{_PROCESS}exec: "{name}": {why}: unknown', 127
    if found := _CWD.search(text):
        why = "permission denied" if "ermission denied" in text else "no such file or directory"
        return f'{_PROCESS}chdir to cwd ("{found["name"]}") set in config.json failed: {why}: unknown', 126
    if found := _NO_FILE.search(text):
        return f'{_PROCESS}exec: "{found["name"]}": stat {found["name"]}: no such file or directory: unknown', 127
    if "open executable: Operation not permitted" in text:  # a directory
        return f'{_PROCESS}exec: "{command}": permission denied: unknown', 126
    if "ermission denied" in text and (found := _NO_ACCESS.search(text) or re.search("exec", text)):
        name = found.groupdict().get("name") or command
        return f'{_PROCESS}exec: "{name}": permission denied: unknown', 126
    return f"{_PROCESS}{text or 'the runtime failed without a word'}: unknown", 128


def clean(stderr: str) -> str:
    """Return the last line that says something, without time stamp and level."""
    logged = [found["text"] for found in _LOGRUS.finditer(stderr)]
    if logged:
        return logged[-1].replace('\\"', '"').replace("\\\\", "\\").rpartition(f"{_PROCESS}")[2]
    lines = [_PREFIX.sub("", line.strip()).strip() for line in stderr.replace("\\n", "\n").splitlines()]
    said = [line for line in lines if line]
    return said[-1] if said else ""
