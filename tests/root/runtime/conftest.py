"""The runtime's fixtures, for this folder."""

from tests.support.runtime_fixtures import bench, busybox_root, own_mounts

__all__ = ["bench", "busybox_root", "own_mounts"]
