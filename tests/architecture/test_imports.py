"""Who may import whom: the contracts in pyproject.toml, and the modules that have one home."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = ("config", "engine", "webui")

OWNED = {
    "subprocess": ("engine/kernel/command.py",),
    "ctypes": ("engine/kernel/syscalls.py", "engine/kernel/nft.py", "engine/kernel/seccomp.py"),
    "pyroute2": ("engine/kernel/netlink.py",),
    "sqlite3": ("engine/storage/",),
    "sqlalchemy": ("engine/storage/", "engine/*/store.py", "engine/services/journal.py", "webui/"),
    "alembic": ("engine/storage/", "webui/", "migrations/"),
    "flask": ("engine/api/", "webui/"),
    "gevent": ("webui/",),
    "requests": (),
    "httpx": (),
}
"""Third-party and dangerous modules, and the files (a folder, a pattern) that may import them."""

FORBIDDEN_CALLS = {
    "fork", "forkpty", "chdir", "fchdir", "umask", "chroot", "putenv", "unsetenv", "setuid", "setgid", "system",
    "popen",
}  # fmt: skip
"""Functions of `os` that change or copy the whole process; the engine has threads."""
ALLOWED_CALLS = {("cli.py", "chdir")}
"""`cli.run` has one thread yet, and conmon writes its file `oom` wherever it is started from."""


def sources(*roots: str) -> list[Path]:
    """Return the Python files below the roots."""
    return sorted(path for root in roots for path in (REPOSITORY / root).rglob("*.py"))


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield the top-level package of every import in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def may(path: Path, homes: tuple[str, ...]) -> bool:
    """Return whether a file is one of the homes."""
    relative = path.relative_to(REPOSITORY)
    return any(relative.is_relative_to(home) if home.endswith("/") else relative.match(home) for home in homes)


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("module", sorted(OWNED))
def test_a_module_is_imported_only_at_its_home(module: str) -> None:
    strangers = [
        str(path.relative_to(REPOSITORY))
        for path in sources(*PROGRAMS)
        if module in imports_of(ast.parse(path.read_text())) and not may(path, OWNED[module])
    ]
    assert not strangers, f"{module} belongs to {OWNED[module]}"


def test_the_engine_never_imports_the_web_tiers_machinery() -> None:
    foreign = {"gevent", "webui", "socketio", "flask_socketio"}
    for path in sources("engine"):
        assert not foreign & set(imports_of(ast.parse(path.read_text()))), path


def test_the_engine_changes_nothing_that_all_its_threads_share() -> None:
    found = []
    for path in sources("engine"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                if node.attr in FORBIDDEN_CALLS and (path.name, node.attr) not in ALLOWED_CALLS:
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno} os.{node.attr}")
            elif isinstance(node, ast.keyword) and (node.arg == "preexec_fn" or _is_shell(node)):
                found.append(f"{path.relative_to(REPOSITORY)}:{node.value.lineno} {node.arg}=")
            elif isinstance(node, ast.Subscript | ast.Delete) and _writes_environ(node):
                found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno} os.environ is written")
    assert not found


def test_nothing_imports_the_tests() -> None:
    for path in [REPOSITORY / "app.py", *sources(*PROGRAMS, "migrations")]:
        assert "tests" not in set(imports_of(ast.parse(path.read_text()))), path


def test_packages_hold_no_code_in_their_init() -> None:
    for path in sources(*PROGRAMS):
        if path.name == "__init__.py":
            body = ast.parse(path.read_text()).body
            assert all(isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign) for node in body), path


def _is_shell(node: ast.keyword) -> bool:
    return node.arg == "shell" and isinstance(node.value, ast.Constant) and node.value.value is True


def _writes_environ(node: ast.Subscript | ast.Delete) -> bool:
    targets = node.targets if isinstance(node, ast.Delete) else [node]
    return any(
        isinstance(target, ast.Subscript)
        and not isinstance(target.ctx, ast.Load)
        and ast.unparse(target.value) == "os.environ"
        for target in targets
    )
