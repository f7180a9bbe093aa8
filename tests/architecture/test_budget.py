"""The size budget: a reader holds a function or a module in the head."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FUNCTION_LINES = 60
MODULE_LINES = 500
PUBLIC_NAMES = 20

LONG_FUNCTIONS: dict[str, str] = {
    "migrations/engine/versions/0001_initial.py:upgrade": "the first tables, one after the other",
    "migrations/web/versions/0001_accounts.py:upgrade": "the first tables, one after the other",
}
"""`path:function` → why it is longer than the budget."""
LONG_MODULES: dict[str, str] = {}
"""`path` → why it is longer than the budget."""
WIDE_MODULES: dict[str, str] = {
    "engine/build/model.py": "the Dockerfile language has seventeen instructions, each a dataclass",
    "engine/containers/model.py": "Docker's container has that many parts, each a dataclass",
    "engine/containers/spec.py": "a spec has that many parts, each a `with_*`",
    "engine/kernel/syscalls.py": "a thin wrapper for each system call, with its constants",
}
"""`path` → why it has more public names than the budget."""


def python_files() -> list[Path]:
    """Return the product's own Python files."""
    roots = ("config", "engine", "webui", "migrations", "benchmarks")
    return [REPOSITORY / "app.py", *sorted(path for root in roots for path in (REPOSITORY / root).rglob("*.py"))]


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return a function's lines without its docstring."""
    documented = ast.get_docstring(node, clean=False)
    return (node.end_lineno or node.lineno) - node.lineno + 1 - (documented.count("\n") + 1 if documented else 0)


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    """Every module, parsed, by its path in the repository."""
    return {str(path.relative_to(REPOSITORY)): ast.parse(path.read_text()) for path in python_files()}


def test_functions_are_short(trees: dict[str, ast.Module]) -> None:
    long = {
        f"{path}:{node.name}": lines_of(node)
        for path, tree in trees.items()
        for node in functions_of(tree)
        if lines_of(node) > FUNCTION_LINES
    }
    assert set(long) == set(LONG_FUNCTIONS), long


def test_modules_are_short() -> None:
    lines = {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in python_files()}
    long = {path: count for path, count in lines.items() if count > MODULE_LINES}
    assert set(long) == set(LONG_MODULES), long


def test_modules_have_few_public_names(trees: dict[str, ast.Module]) -> None:
    wide = {}
    for path, tree in trees.items():
        names = [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        ]
        if len(names) > PUBLIC_NAMES and path not in WIDE_MODULES:
            wide[path] = len(names)
    assert not wide


def test_every_signature_is_annotated(trees: dict[str, ast.Module]) -> None:
    bare = []
    for path, tree in trees.items():
        for node in functions_of(tree):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
            if node.returns is None or any(argument.annotation is None for argument in named):
                bare.append(f"{path}:{node.lineno} {node.name}")
    assert not bare


def test_public_things_have_docstrings(trees: dict[str, ast.Module]) -> None:
    mute = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        if not ast.get_docstring(node) and not path.startswith("migrations/")
    ]
    mute += [path for path, tree in trees.items() if not ast.get_docstring(tree) and tree.body]
    assert not mute


def test_the_exceptions_are_still_needed() -> None:
    for path in [*(key.partition(":")[0] for key in LONG_FUNCTIONS), *LONG_MODULES, *WIDE_MODULES]:
        assert (REPOSITORY / path).exists(), path
