"""From root to the web tier's user, for good: data handed over, groups and ids dropped, then checked."""

from __future__ import annotations

import logging
import os
import pwd
from pathlib import Path

_LOG = logging.getLogger(__name__)


class PrivilegeError(Exception):
    """The user to become doesn't exist, or the way back to root is still open."""


def find_user(name: str) -> pwd.struct_passwd:
    """Return the user's record, or raise PrivilegeError with what to do."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise PrivilegeError(f"no user {name!r}: create it (`useradd --system {name}`) or set BERTH_WEB_USER") from None


def hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    """Make `folder` and what is in it the user's, closed to others; symbolic links are not followed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def drop(user: pwd.struct_passwd) -> None:
    """Become the user with its own groups, without a way back; PrivilegeError if root can be had again."""
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(0o077)
    if user.pw_uid == 0:
        _LOG.warning("the web tier runs as root: BERTH_WEB_USER says so; this is for development only")
        return
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise PrivilegeError("root could be had again after dropping it")
