import pytest

from engine import errors
from engine.api.errors import STATUS, status_of


def kinds(root: type[errors.BerthError]) -> list[type[errors.BerthError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *kinds(child))]


def test_each_kind_of_the_tree_has_its_row():
    direct = {kind for kind in errors.BerthError.__subclasses__() if kind.__module__ == errors.__name__}
    assert direct <= set(STATUS)
    assert len({STATUS[kind] for kind in direct}) == len(direct), "two kinds share a status"


@pytest.mark.parametrize("kind", [kind for kind in kinds(errors.BerthError) if kind is not errors.RuntimeFailed])
def test_every_error_has_the_status_of_its_nearest_row(kind):
    nearest = next(base for base in kind.__mro__ if base in STATUS)
    assert status_of(kind.__new__(kind)) == STATUS[nearest]


@pytest.mark.parametrize(("code", "status"), [(127, 400), (126, 400), (128, 500)])
def test_a_command_that_cannot_be_run_is_the_requests_fault(code, status):
    assert status_of(errors.RuntimeFailed("exec: x", code)) == status
