"""Networks on another link's wire: macvlan and ipvlan. Their containers are machines of that LAN.

Such a network has no link of its own but, where `parent` names a VLAN (`eth0.10`) that the host lacks, that VLAN's: it
is made with the network and goes with it. The host can't talk to these containers by the parent (the kernel's rule).
"""

from __future__ import annotations

import errno
import re

from engine.errors import InvalidArgument, NotFound, Unsupported
from engine.kernel import rtnl
from engine.kernel.netlink import Netlink
from engine.networks import model
from engine.networks.model import Network

DRIVERS = ("macvlan", "ipvlan")
_VLAN = re.compile(r"(?P<parent>.+)\.(?P<number>[1-9][0-9]{0,3})\Z")
_LACKING = (errno.EOPNOTSUPP, errno.ENODEV)
_MODES = {
    "macvlan": (model.OPTION_MACVLAN_MODE, ("bridge", "private", "vepa", "passthru")),
    "ipvlan": (model.OPTION_IPVLAN_MODE, ("l2", "l3", "l3s")),
}


def parent(network: Network) -> str:
    """Return the name of the link whose wire the network shares."""
    return network.options.get(model.OPTION_PARENT, "")


def mode(network: Network) -> str:
    """Return how its containers see each other, in the kernel's words."""
    option, modes = _MODES[network.driver]
    return network.options.get(option) or modes[0]


def check_options(driver: str, options: dict[str, str]) -> None:
    """Raise for options of a network of this driver that can't be."""
    option, modes = _MODES[driver]
    known = (model.OPTION_PARENT, option, model.OPTION_MTU)
    for name in options:
        if name not in known and name.startswith(("com.docker.network.", "macvlan_", "ipvlan_")):
            raise InvalidArgument(f"the option {name} is not one of a {driver} network: {', '.join(known)} are")
    if options.get(option, modes[0]) not in modes:
        raise InvalidArgument(f"requested {driver} mode '{options[option]}' is not valid, '{modes[0]}' is the default")
    if not options.get(model.OPTION_PARENT):
        raise Unsupported(f"a {driver} network without the option {model.OPTION_PARENT} is not supported")
    if options[model.OPTION_PARENT] == "lo":
        raise InvalidArgument(f"loopback interface is not a valid {driver} parent link")


def check(netlink: Netlink, network: Network) -> None:
    """Raise Unsupported where the kernel lacks the network's kind, NotFound where the host lacks its parent."""
    if not has_kind(network.driver):
        raise Unsupported(f"the kernel has no {network.driver} (modprobe {network.driver})")
    _parts(netlink, network)


def has_kind(kind: str) -> bool:
    """Say whether the kernel can make links of one of `DRIVERS`."""
    channel = rtnl.Socket()
    try:
        channel.send([rtnl.probe(kind)])
    except OSError as error:
        return error.errno not in _LACKING
    finally:
        channel.close()
    return True


def bring_up(netlink: Netlink, network: Network, alias: str) -> int:
    """Return the index of the parent link, which is made where it is a VLAN that the host lacks."""
    found = netlink.find_link(parent(network))
    if found is not None:
        return found.index
    base, number = _parts(netlink, network)
    try:
        index = netlink.make_vlan(parent(network), base, number, alias)
    except OSError as error:
        if error.errno in _LACKING:
            raise Unsupported(f"the kernel has no VLANs (modprobe 8021q): {parent(network)} can't be made") from error
        raise
    netlink.bring_up(index)
    return index


def take_down(netlink: Netlink, network: Network, alias: str) -> None:
    """Delete the VLAN that was made for the network; idempotent."""
    found = netlink.find_link(parent(network))
    if found is not None and found.alias == alias:
        netlink.delete_link(found.name)


def _parts(netlink: Netlink, network: Network) -> tuple[int, int]:
    """Return the index of the link and the number of its VLAN (0: the link itself) that `parent` names."""
    name = parent(network)
    found = netlink.find_link(name)
    if found is not None:
        return found.index, 0
    vlan = _VLAN.match(name)
    below = netlink.find_link(vlan["parent"]) if vlan else None
    if vlan is None or below is None or int(vlan["number"]) > 4094:
        raise NotFound(f"the host has no interface {name}")
    return below.index, int(vlan["number"])
