from __future__ import annotations

import pytest

from engine.containers.names import check_name, generate_name
from engine.errors import InvalidArgument


@pytest.mark.parametrize("name", ["ab", "web-1", "a.b_c", "/web", "A1"])
def test_names_that_docker_takes_are_returned_without_slash(name: str) -> None:
    assert check_name(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["", "a", "-web", ".web", "we b", "a/b", "ü1", "a\n", "a" * 256])
def test_names_that_docker_refuses_are_refused_with_its_text(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed"):
        check_name(name)


def test_generated_names_are_valid_and_get_digits_when_names_run_out() -> None:
    assert check_name(generate_name(0)).count("_") == 1
    assert any(generate_name(5)[-1].isdigit() for _ in range(20))
