"""The settings table: one row a setting, environment over TOML over default.

`load_engine` and `load_web` return frozen values, built once by `app.py`. docs/settings.md is generated from `ROWS`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SettingError(Exception):
    """A setting has a value that its row doesn't take; the message names both."""


def _boolean(text: str) -> bool:
    value = text.strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("expected true or false")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: environment name (its lower-case form without BERTH_ is the TOML key), default, parser, help."""

    env: str
    default: str
    parse: Callable[[str], Any]
    help: str

    @property
    def key(self) -> str:
        """The TOML key and the attribute's name."""
        return self.env.removeprefix("BERTH_").lower()


ROWS: tuple[Row, ...] = (
    Row("BERTH_DATA_ROOT", "/var/lib/berth", Path, "Everything that must survive a reboot: images, volumes, state."),
    Row("BERTH_RUN_ROOT", "/run/berth", Path, "Sockets, pid files, mount and network namespaces; may be a tmpfs."),
    Row("BERTH_INSTANCE", "", str, "Names this instance's bridges, nft table, cgroups; empty: from the data root."),
    Row("BERTH_WEB_BIND", "127.0.0.1:8080", str, "Address and port of the web tier."),
    Row("BERTH_WEB_DATABASE_URL", "", str, "SQLAlchemy URL of the web tier's database; empty: SQLite."),
    Row("BERTH_WEB_USER", "berth", str, "The unprivileged user the web tier runs as, when started by root."),
    Row("BERTH_WEB_ORIGIN", "", str, "Public origin (https://berth.example); empty: the address bound."),
    Row("BERTH_BRIDGE_POOL", "10.88.0.0/14", str, "Addresses from which networks take a /24 each (IPv4 CIDR)."),
    Row("BERTH_LOG_LEVEL", "info", str, "debug, info, warning or error."),
    Row("BERTH_INSECURE_REGISTRIES", "", _names, "Registries (host:port, comma separated) spoken to by plain HTTP."),
    Row("BERTH_REGISTRY_MIRRORS", "", _names, "Base URLs asked before Docker Hub, comma separated."),
    Row("BERTH_CERTS_DIR", "/etc/docker/certs.d", Path, "A folder for each registry (host:port) with its *.crt."),
    Row("BERTH_SEED_BUSYBOX", "true", _boolean, "Make a busybox image from the machine's own when no image is there."),
    Row("BERTH_SANDBOX_POOL", "8", int, "Network sandboxes kept ready for starts; 0: none."),
    Row("BERTH_JOURNAL_DAYS", "90", int, "Days that events (docker events --since) are kept."),
    Row("BERTH_JOURNAL_ROWS", "1000000", int, "Events kept at most."),
    Row("BERTH_AUDIT_DAYS", "365", int, "Days that the audit record is kept; 0: for ever."),
    Row("BERTH_AUDIT_FILE", "", str, "A file to which each row of the audit record is appended (JSON lines)."),
    Row("BERTH_AUDIT_SYSLOG", "", str, "Where else it goes: udp://host:port or unix:///dev/log; empty: nowhere."),
    Row("BERTH_LOG_DAYS", "30", int, "Days that a removed container's log is kept, unless its team says otherwise."),
    Row("BERTH_LOG_BYTES", "2147483648", int, "Bytes on disk of all kept logs of a team; the oldest go first."),
    Row("BERTH_LOG_COUNT", "10000", int, "Kept logs of a team at most."),
    Row("BERTH_LOG_LIVE_BYTES", "0", int, "Bytes of a living container's log, the oldest go; 0: its max-size."),
    Row("BERTH_BUILD_PARALLEL", "4", int, "Stages of one build that run at the same time, at most."),
    Row("BERTH_BUILD_CONTEXT_BYTES", "8589934592", int, "Largest build context, in bytes, unpacked."),
    Row("BERTH_BUILD_CACHE_BYTES", "21474836480", int, "Bytes that the build cache keeps beyond images; 0: no bound."),
    Row("BERTH_BUILD_CACHE_DAYS", "30", int, "Days that a build cache record is kept after its last use; 0: for ever."),
    Row("BERTH_MAX_BODY", "8388608", int, "Largest JSON request body, in bytes."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, parsed. One value object for both programs: each reads what concerns it."""

    data_root: Path
    run_root: Path
    instance: str
    web_bind: str
    web_database_url: str
    web_user: str
    web_origin: str
    bridge_pool: str
    log_level: str
    insecure_registries: tuple[str, ...]
    registry_mirrors: tuple[str, ...]
    certs_dir: Path
    seed_busybox: bool
    sandbox_pool: int
    journal_days: int
    journal_rows: int
    audit_days: int
    audit_file: str
    audit_syslog: str
    log_days: int
    log_bytes: int
    log_count: int
    log_live_bytes: int
    build_parallel: int
    build_context_bytes: int
    build_cache_bytes: int
    build_cache_days: int
    max_body: int


def load(environ: Mapping[str, str] | None = None, toml: Path | None = None) -> Settings:
    """Return the settings from `environ` (default: the process's) over the TOML file (BERTH_CONFIG) over defaults."""
    environ = os.environ if environ is None else environ
    path = toml or (Path(environ["BERTH_CONFIG"]) if environ.get("BERTH_CONFIG") else None)
    table: dict[str, Any] = tomllib.loads(path.read_text()) if path else {}
    unknown = set(table) - {row.key for row in ROWS}
    if unknown:
        raise SettingError(f"unknown setting {sorted(unknown)[0]!r} in {path}")
    return Settings(**{row.key: _value(row, environ, table) for row in ROWS})


def _value(row: Row, environ: Mapping[str, str], table: Mapping[str, Any]) -> Any:
    text = environ.get(row.env)
    if text is None:
        found = table.get(row.key, row.default)
        text = ",".join(map(str, found)) if isinstance(found, list) else str(found)
    try:
        return row.parse(text)
    except ValueError as error:
        raise SettingError(f"{row.env}={text!r}: {error}") from error


def describe() -> str:
    """Return docs/settings.md: a line of the table for each row."""
    lines = [
        "# Settings",
        "",
        "Written by `make docs` from the table in config/settings.py; a test compares the two.",
        "",
        "The environment wins over the TOML file that `BERTH_CONFIG` names, the file over the default. In the file, a",
        "setting's key is its name in lower case without `BERTH_`; lists may be TOML lists.",
        "",
        "| setting | default | what it is |",
        "| --- | --- | --- |",
    ]
    for row in ROWS:
        default = f"`{row.default}`" if row.default else "(empty)"
        lines.append(f"| `{row.env}` | {default} | {row.help} |")
    return "\n".join(lines) + "\n"
