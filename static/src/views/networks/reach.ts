/** Can one container reach another, and why: from the networks both are in. Pure. */
import type { ContainerRow, NetworkRow } from "../../core/docker";

export interface Reach {
  yes: boolean;
  reason: "same" | "shared" | "shared.ip" | "host" | "published" | "none" | "stopped" | "separate";
  /** What the reason names: a network, an address, a port. */
  names: string[];
}

function networksOf(row: ContainerRow): Record<string, { IPAddress?: string }> {
  return row.NetworkSettings?.Networks ?? {};
}

export function reach(from: ContainerRow, to: ContainerRow, networks: readonly NetworkRow[]): Reach {
  const [mode, other] = [from.HostConfig?.NetworkMode ?? "", to.HostConfig?.NetworkMode ?? ""];
  if (from.Id === to.Id || mode === `container:${to.Id}` || other === `container:${from.Id}`) return { yes: true, reason: "same", names: ["localhost"] };
  for (const row of [from, to]) if (row.State !== "running") return { yes: false, reason: "stopped", names: [(row.Names?.[0] ?? row.Id).replace(/^\//, "")] };
  if (mode === "none" || other === "none") return { yes: false, reason: "none", names: [] };
  if (mode === "host") {
    const address = Object.values(networksOf(to)).find((one) => one.IPAddress)?.IPAddress;
    if (address || other === "host") return { yes: true, reason: "host", names: [address ?? "localhost"] };
  }
  const shared = Object.keys(networksOf(from)).filter((name) => name in networksOf(to) && name !== "host" && name !== "none");
  // The default bridge has no names, only addresses.
  const named = shared.find((name) => name !== "bridge");
  if (named) return { yes: true, reason: "shared", names: [named, (to.Names?.[0] ?? "").replace(/^\//, "")] };
  if (shared.length) return { yes: true, reason: "shared.ip", names: [shared[0] ?? "", networksOf(to)[shared[0] ?? ""]?.IPAddress ?? ""] };
  const inside = Object.keys(networksOf(from)).every((name) => networks.find((one) => one.Name === name)?.Internal);
  const port = (to.Ports ?? []).find((one) => one.PublicPort && (one.IP === "0.0.0.0" || one.IP === "::" || !one.IP));
  if (port && !inside) return { yes: true, reason: "published", names: [String(port.PublicPort), String(port.PrivatePort)] };
  return { yes: false, reason: "separate", names: [Object.keys(networksOf(from)).join(", ") || mode, Object.keys(networksOf(to)).join(", ") || other] };
}
