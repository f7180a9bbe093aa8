/** A container that exists, as the form holds it; and what changes when it is made anew. Pure. */
import type { ContainerDetail, ImageDetail } from "../../core/docker";
import { quote } from "../../core/shell";
import { createBody, EMPTY, type Restart, type RunSpec } from "./runSpec";

/** More of the inspect document than the pages show: what a new container needs to be the same. */
export interface Definition extends ContainerDetail {
  HostConfig: ContainerDetail["HostConfig"] & {
    Binds?: string[] | null;
    PortBindings?: Record<string, { HostIp: string; HostPort: string }[] | null> | null;
  } & Record<string, unknown>;
  Config: ContainerDetail["Config"] & Record<string, unknown>;
}

export function specOf(of: Definition, image: ImageDetail | null): RunSpec {
  const { Config, HostConfig } = of;
  const own = (Config.Env ?? []).filter((one) => !(image?.Config?.Env ?? []).includes(one));
  const sameCommand = JSON.stringify(Config.Cmd ?? []) === JSON.stringify(image?.Config?.Cmd ?? []);
  const policy = (HostConfig.RestartPolicy.Name || "no") as Restart;
  return {
    ...EMPTY,
    image: Config.Image,
    name: of.Name.replace(/^\//, ""),
    command: sameCommand ? "" : (Config.Cmd ?? []).map(quote).join(" "),
    env: own.map((one) => ({ key: one.split("=", 1)[0] ?? "", value: one.slice(one.indexOf("=") + 1) })),
    ports: portsOf(HostConfig.PortBindings ?? {}),
    volumes: (of.Mounts ?? []).filter((one) => one.Type === "volume" || one.Type === "bind").map((one) => ({ source: one.Type === "volume" ? (one.Name ?? "") : one.Source, target: one.Destination, readOnly: !one.RW })),
    memory: HostConfig.Memory ? sizeText(HostConfig.Memory) : "",
    cpus: HostConfig.NanoCpus ? String(HostConfig.NanoCpus / 1e9) : "",
    pids: HostConfig.PidsLimit && HostConfig.PidsLimit > 0 ? String(HostConfig.PidsLimit) : "",
    restart: policy,
    retries: policy === "on-failure" && HostConfig.RestartPolicy.MaximumRetryCount ? String(HostConfig.RestartPolicy.MaximumRetryCount) : "",
    hostname: Config.Hostname === of.Id.slice(0, 12) ? "" : Config.Hostname,
    user: Config.User,
    workdir: Config.WorkingDir === (image?.Config as { WorkingDir?: string } | undefined)?.WorkingDir ? "" : Config.WorkingDir,
    network: HostConfig.NetworkMode === "default" ? "bridge" : HostConfig.NetworkMode,
    tty: Config.Tty,
    autoRemove: HostConfig.AutoRemove,
  };
}

function portsOf(bindings: Record<string, { HostIp: string; HostPort: string }[] | null>): RunSpec["ports"] {
  return Object.entries(bindings).flatMap(([port, hosts]) => {
    const [container = "", protocol] = port.split("/");
    return (hosts ?? []).map(({ HostIp, HostPort }) => ({
      host: `${HostIp && HostIp !== "0.0.0.0" ? `${HostIp.includes(":") ? `[${HostIp}]` : HostIp}:` : ""}${HostPort === "0" ? "" : HostPort}`,
      container, protocol: protocol === "udp" ? ("udp" as const) : ("tcp" as const),
    }));
  });
}

function sizeText(bytes: number): string {
  for (const [unit, scale] of [["g", 1024 ** 3], ["m", 1024 ** 2], ["k", 1024]] as const) if (bytes % scale === 0) return `${bytes / scale}${unit}`;
  return `${bytes}b`;
}

/** The create call of the new container: what the form says, over everything else that the old one had. */
export function bodyOver(of: Definition, spec: RunSpec, image: ImageDetail | null = null): Record<string, unknown> {
  const body = createBody(spec);
  const before = of.HostConfig;
  const config = { ...of.Config, ...body } as Record<string, unknown>;
  if (!spec.command) delete config.Cmd;
  if (!spec.hostname) delete config.Hostname;
  if (!spec.workdir) delete config.WorkingDir;
  // With an entry point given, Docker leaves the image's command out.
  if (JSON.stringify(config.Entrypoint ?? null) === JSON.stringify(image?.Config?.Entrypoint ?? null)) delete config.Entrypoint;
  config.User = spec.user;
  delete config.HostConfig;
  // What the form holds is said by the form alone; an empty field takes a limit away.
  const host = { ...before, Memory: 0, MemorySwap: 0, NanoCpus: 0, PidsLimit: null, ...(body.HostConfig as object) } as Record<string, unknown>;
  host.Mounts = [...((before.Mounts as { Type?: string }[] | null) ?? []).filter((one) => one.Type === "tmpfs"), ...((host.Mounts as unknown[] | undefined) ?? [])];
  return { ...config, HostConfig: host, NetworkingConfig: { EndpointsConfig: endpointsOf(of, spec) } };
}

/** The networks it was in, with its aliases and fixed addresses; the one that the form names instead of the former first. */
function endpointsOf(of: Definition, spec: RunSpec): Record<string, unknown> {
  const first = of.HostConfig.NetworkMode === "default" ? "bridge" : of.HostConfig.NetworkMode;
  const found = Object.entries((of.NetworkSettings.Networks ?? {}) as Record<string, { Aliases?: string[] | null; IPAMConfig?: unknown }>);
  if (/^(host|none|container:)/.test(spec.network)) return {};
  return Object.fromEntries(found.filter(([name]) => name !== first || spec.network === first).map(([name, one]) => [name, { Aliases: one.Aliases ?? null, IPAMConfig: one.IPAMConfig ?? null }]));
}

export interface Difference {
  field: keyof RunSpec;
  before: string;
  after: string;
}

export function differences(before: RunSpec, after: RunSpec): Difference[] {
  return (Object.keys(EMPTY) as (keyof RunSpec)[]).flatMap((field) => {
    const [a, b] = [textOf(before, field), textOf(after, field)];
    return a === b ? [] : [{ field, before: a, after: b }];
  });
}

function textOf(spec: RunSpec, field: keyof RunSpec): string {
  switch (field) {
    case "env":
      return spec.env.filter((row) => row.key).map((row) => `${row.key}=${row.value}`).join("\n");
    case "ports":
      return spec.ports.filter((row) => row.container).map((row) => `${row.host || "*"} → ${row.container}/${row.protocol}`).join("\n");
    case "volumes":
      return spec.volumes.filter((row) => row.target).map((row) => `${row.source || "(new)"}:${row.target}${row.readOnly ? ":ro" : ""}`).join("\n");
    default:
      return String(spec[field]);
  }
}

/** A host port that nothing of ours publishes: the wanted one, else the next above it. */
export function freePort(wanted: number, taken: ReadonlySet<number>): number {
  const from = wanted < 1024 ? wanted + 8000 : wanted;
  for (let port = from; port < 65535; port++) if (!taken.has(port)) return port;
  return 0;
}
