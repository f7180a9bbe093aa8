import { expect, it } from "vitest";
import type { ContainerRow, NetworkRow } from "../../src/core/docker";
import { reach } from "../../src/views/networks/reach";

const row = (name: string, networks: Record<string, string>, changes: Partial<ContainerRow> = {}): ContainerRow => ({
  Id: name, Names: [`/${name}`], Image: "", ImageID: "", Command: "", Created: 0, Ports: [], Labels: {}, State: "running", Status: "Up",
  HostConfig: { NetworkMode: Object.keys(networks)[0] ?? "none" },
  NetworkSettings: { Networks: Object.fromEntries(Object.entries(networks).map(([key, IPAddress]) => [key, { IPAddress }])) }, ...changes,
});
const nets = [{ Name: "back", Internal: true }, { Name: "front", Internal: false }] as NetworkRow[];

it.each([
  [row("a", { front: "1" }), row("b", { front: "2" }), true, "shared"],
  [row("a", { bridge: "1" }), row("b", { bridge: "2" }), true, "shared.ip"],
  [row("a", { bridge: "1" }), row("b", { front: "2" }), false, "separate"],
  [row("a", { bridge: "1" }), row("b", { front: "2" }, { Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }] }), true, "published"],
  [row("a", { back: "1" }), row("b", { front: "2" }, { Ports: [{ IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }] }), false, "separate"],
  [row("a", { front: "1" }), row("b", { front: "2" }, { State: "exited" }), false, "stopped"],
  [row("a", { none: "" }, { HostConfig: { NetworkMode: "none" } }), row("b", { front: "2" }), false, "none"],
  [row("a", { host: "" }, { HostConfig: { NetworkMode: "host" } }), row("b", { front: "2" }), true, "host"],
  [row("a", {}, { HostConfig: { NetworkMode: "container:b" } }), row("b", { front: "2" }), true, "same"],
] as const)("case %#", (from, to, yes, reason) => expect(reach(from, to, nets)).toMatchObject({ yes, reason }));
