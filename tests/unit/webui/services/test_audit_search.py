"""The filter of the audit record, on a real (SQLite) database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from webui.access import Actor, Verb
from webui.audit import Audit, Entry
from webui.errors import Invalid
from webui.models.database import Database, migrate
from webui.services.audit_search import AuditSearch

ANN, BOB = Actor("u1", "ann"), Actor("u2", "bob")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditSearch]:
    url = f"sqlite:///{tmp_path_factory.mktemp('db') / 'web.db'}"
    migrate(url)
    database = Database(url)
    audit = Audit(database)
    for actor, action, target, team in (
        (ANN, "container.create", "web-1", "blue"),
        (ANN, "container.remove", "web_2", "blue"),
        (BOB, "image.pull", "100%", "red"),
    ):
        entry = Entry(actor, Verb.DEPLOY, "POST", f"/x/{target}", "::1", host="local", namespace=team, action=action)
        audit.finish(audit.record(entry, allowed=True), 201, {"a": 1}, target)
    denied = Entry(BOB, Verb.OPERATE, "POST", "/exec", "::1", namespace="blue", action="exec.start", target="web-1")
    audit.record(denied, allowed=False, status=403)
    yield AuditSearch(database)
    database.close()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4), ("actor:ann", 2), ("actor:ANN action:container.*", 2), ("action:*.create", 1), ("outcome:denied", 1),
        ("team:red", 1), ("since:1h", 4), ("until:1h", 0), ("since:2001-01-01 until:2002-01-01", 0), ("web_2", 1),
        ("100%", 1), ("path:/x/web?2", 0), ("actor:'ann' web-1", 1), ("nothing", 0), ("address:::1", 4),
    ],
)  # fmt: skip
def test_terms_are_joined(search: AuditSearch, query: str, count: int) -> None:
    assert len(search.page(query, None, 0, 100)) == count
    assert len(list(search.all_(query, None))) == count


def test_an_entry_shows_what_became_of_it(search: AuditSearch) -> None:
    newest, *_, oldest = search.page("", None, 0, 100)
    assert (newest["status"], newest["outcome"], newest["target"]) == (403, "denied", "web-1")
    assert (oldest["status"], oldest["target"], oldest["detail"]) == (201, "web-1", {"a": 1})


def test_a_team_sees_its_own_and_pages_go_on(search: AuditSearch) -> None:
    first = search.page("", "blue", 0, 2)
    rest = search.page("", "blue", first[-1]["id"], 2)
    assert len({row["id"] for row in first + rest}) == 3
    assert search.page("team:red", "blue", 0, 10) == []


@pytest.mark.parametrize("query", ["colour:red", "since:yesterday", "'open", "a " * 33])
def test_a_bad_filter_is_refused(search: AuditSearch, query: str) -> None:
    with pytest.raises(Invalid):
        search.page(query, None, 0, 10)
