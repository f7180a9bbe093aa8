"""The web tier's first revision: equal to the models, reversible with data, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, inspect, select

from webui.access import Verb
from webui.audit import Audit, Entry
from webui.models.database import MIGRATIONS, Database, migrate
from webui.models.tables import AUDIT, METADATA, OPERATIONS, USERS
from webui.services.accounts import Accounts, Client
from webui.services.attempts import Attempts
from webui.services.operations import Operations

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SOME_USER = {
    "id": "u1",
    "name": "Ann",
    "name_key": "ann",
    "password_hash": "x",
    "admin": True,
    "disabled": False,
    "created_ms": 1,
}


def as_user(name: str) -> dict[str, object]:
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A throw-away PostgreSQL on a unix socket; initdb refuses root, so it runs as `postgres`."""
    if not POSTGRES:
        pytest.skip("PostgreSQL is not installed (`make setup` installs it)")
    folder = Path(tempfile.mkdtemp(prefix="bpg-", dir="/tmp"))
    bin_folder = POSTGRES[-1].parent
    switch = as_user("postgres") if os.geteuid() == 0 else {}
    if switch:
        os.chown(folder, int(str(switch["user"])), int(str(switch["group"])))
    init = [bin_folder / "initdb", "-D", folder / "data", "-A", "trust", "-U", "berth", "--no-sync"]
    subprocess.run(init, check=True, capture_output=True, **switch)  # type: ignore[call-overload]
    argv = [bin_folder / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([*argv, options, "start"], check=True, capture_output=True, **switch)  # type: ignore[call-overload]
    try:
        yield f"postgresql+psycopg://berth@/postgres?host={folder}"
    finally:
        subprocess.run(  # type: ignore[call-overload]
            [bin_folder / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"],
            check=True, capture_output=True, **switch,
        )  # fmt: skip
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'web.db'}"
        return
    address: str = request.getfixturevalue("postgres")
    yield address
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


def run(url: str, direction: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)
    engine.dispose()


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names - {"alembic_version", "sqlite_sequence"}


def test_head_equals_the_models(url: str) -> None:
    assert migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []


def test_a_current_database_is_left_alone(url: str) -> None:
    assert migrate(url)
    assert not migrate(url)


def test_down_and_up_again_with_data(url: str) -> None:
    migrate(url)
    database = Database(url)
    database.write(insert(USERS), SOME_USER)
    database.close()
    run(url, "downgrade", "base")
    assert tables(url) == set()
    run(url, "upgrade", "head")
    assert tables(url) == set(METADATA.tables)


def test_a_user_is_unique_by_folded_name(url: str) -> None:
    migrate(url)
    database = Database(url)
    database.write(insert(USERS), SOME_USER)
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write(insert(USERS), {**SOME_USER, "id": "u2"})
    assert [row.name for row in database.read(select(USERS))] == ["Ann"]
    database.close()


def test_the_services_work_on_it(url: str) -> None:
    migrate(url)
    database = Database(url)
    accounts = Accounts(database, Attempts())
    accounts.ensure_default_team()
    user = accounts.setup(accounts.new_setup_token(), "root", "correct horse")
    secret = accounts.open_session(user, Client("127.0.0.1", "test"))
    actor = accounts.by_session(secret)
    assert actor
    assert accounts.refresh([actor]) == {("cookie", actor.credential): actor}
    audit = Audit(database)
    entry = audit.record(Entry(actor, Verb.DEPLOY, "POST", "/a\nb", "127.0.0.1"), allowed=True)
    audit.finish(entry, 201)
    row = database.one(select(AUDIT).where(AUDIT.c.ref == entry))
    assert (row.actor, row.path, row.status, row.outcome) == ("root", "/a\\nb", 201, "allowed")
    assert audit.verify() is None
    database.close()


def test_what_a_former_process_left_running_is_failed(url: str) -> None:
    migrate(url)
    database = Database(url)
    common = {
        "kind": "pull", "title": "t", "host": "local", "owner": "ann", "namespace": "default", "params": {},
        "created_ms": 1, "error": "", "progress": {}, "log": [],
    }  # fmt: skip
    for number, state in enumerate(("queued", "running", "done", "cancelled")):
        database.write(insert(OPERATIONS), {**common, "id": f"o{number}", "state": state})
    operations = Operations(database)
    operations.recover()
    found = {o["id"]: (o["state"], "restarted" in o["error"]) for o in operations.list_("default")}
    assert found == {
        "o0": ("failed", True), "o1": ("failed", True), "o2": ("done", False), "o3": ("cancelled", False),
    }  # fmt: skip
    assert operations.list_("other") == []
    database.close()


def test_a_copy_is_kept_before_a_sqlite_file_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'web.db'}"
    migrate(url)
    database = Database(url)
    database.write(insert(USERS), SOME_USER)
    database.close()
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    newer = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, newer)
    (newer / "versions" / "9999_test.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = '9999'\n"
        f"down_revision = '{head}'\n"
        "def upgrade():\n    op.create_table('extra', sa.Column('id', sa.Integer))\n"
    )
    monkeypatch.setattr("webui.models.database.MIGRATIONS", newer)
    assert migrate(url)
    assert "extra" in tables(url)
    kept = Database(f"sqlite:///{tmp_path / 'web.db.before-'}{head}")
    assert [row.name for row in kept.read(select(USERS))] == ["Ann"]
    kept.close()


def test_a_failed_migration_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'web.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE users (theirs TEXT)")
    engine.dispose()
    with pytest.raises(Exception, match="users"):
        migrate(url)
    assert tables(url) == {"users"}
