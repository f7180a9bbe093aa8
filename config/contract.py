"""The contract between the engine and the web tier, and with their clients.

Both programs import these names and nothing of each other. A change here is a change of API: engine, web tier,
tests and docs change in the same commit.
"""

from __future__ import annotations

API_VERSION = "1.50"
"""The Engine API version served (Docker Engine API definition)."""
MIN_API_VERSION = "1.24"
PRODUCT_VERSION = "0.1.0"

ADMIN_SOCKET = "engine.sock"
"""Under BERTH_RUN_ROOT; mode 0600, root: no limits."""
WEB_SOCKET = "web.sock"
"""Under BERTH_RUN_ROOT; mode 0660, group of the web tier: narrower route table, namespace mandatory."""

HEADER_NAMESPACE = "Berth-Namespace"
HEADER_ACTOR = "Berth-Actor"
HEADER_GRANTS = "Berth-Grants"
HEADER_REQUEST_ID = "Berth-Request-Id"

GRANT_NAMES = frozenset(
    """binds privileged capabilities namespaces devices security sysctls cgroup-parent volume-drivers""".split()
)
"""What Berth-Grants can name besides `*` (all): each lets a caller ask one kind of thing of the host."""

DEFAULT_NAMESPACE = "default"
ALL_NAMESPACES = "*"

LABEL_PREFIX = "io.berth."
"""Labels under this prefix are the product's own and can't be set by users."""

DEFAULT_REGISTRY = "docker.io"
DEFAULT_REGISTRY_HOST = "registry-1.docker.io"
