"""`app.py audit`: reads the whole record and tells whether its chain holds."""

from __future__ import annotations

import sys

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from webui.audit import Audit
from webui.models.database import Database, database_url
from webui.models.tables import AUDIT


def run(settings: Settings) -> int:
    """Verify; print the outcome; return the process's exit status."""
    database = Database(database_url(settings))
    try:
        found = Audit(database).verify()
        count = database.one(select(func.count()).select_from(AUDIT))[0]
    except SQLAlchemyError as error:
        sys.stderr.write(f"berth audit: {error}\n")
        return 2
    finally:
        database.close()
    if found is None:
        sys.stdout.write(f"the audit record is whole: {count} entries\n")
        return 0
    sys.stdout.write(f"the audit record breaks at entry {found.id}: {found.reason}\n")
    return 1
