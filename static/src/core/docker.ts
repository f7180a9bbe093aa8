/** The shapes of the Engine API that the page reads, and what is read out of them. */

export interface Port {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: string;
}
export type State = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
export type Health = "healthy" | "unhealthy" | "starting" | null;

/** An element of GET /containers/json. */
export interface ContainerRow {
  Id: string;
  Names: string[] | null;
  Image: string;
  ImageID: string;
  Command: string;
  Created: number;
  Ports: Port[] | null;
  Labels: Record<string, string> | null;
  State: State;
  Status: string;
  HostConfig?: { NetworkMode?: string };
  Mounts?: Mount[] | null;
  NetworkSettings?: { Networks?: Record<string, { NetworkID?: string; IPAddress?: string }> | null };
}

/** An element of GET /volumes. */
export interface VolumeRow {
  Name: string;
  Driver: string;
  CreatedAt?: string;
  Labels: Record<string, string> | null;
}

/** An element of GET /images/json. */
export interface ImageRow {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
  Created: number;
  Size: number;
  Labels: Record<string, string> | null;
}

/** An element of GET /networks. */
export interface NetworkRow {
  Id: string;
  Name: string;
  Driver: string;
  Created: string;
  Internal: boolean;
  IPAM?: { Config: { Subnet?: string; Gateway?: string }[] | null } | null;
  Labels: Record<string, string> | null;
}

export interface Mount {
  Type: string;
  Name?: string;
  Source: string;
  Destination: string;
  RW: boolean;
}

/** What of GET /containers/{id}/json the overview shows. */
export interface ContainerDetail {
  Id: string;
  Name: string;
  Created: string;
  Path: string;
  Args: string[] | null;
  Image: string;
  RestartCount: number;
  State: {
    Status: State;
    ExitCode: number;
    Error: string;
    OOMKilled: boolean;
    Pid: number;
    StartedAt: string;
    FinishedAt: string;
    Health?: { Status: string; FailingStreak: number; Log: { Start: string; ExitCode: number; Output: string }[] | null };
  };
  Config: {
    Image: string;
    Hostname: string;
    User: string;
    WorkingDir: string;
    Env: string[] | null;
    Cmd: string[] | null;
    Entrypoint: string[] | null;
    Labels: Record<string, string> | null;
    Tty: boolean;
    OpenStdin: boolean;
  };
  HostConfig: {
    NetworkMode: string;
    Memory: number;
    NanoCpus: number;
    PidsLimit: number | null;
    RestartPolicy: { Name: string; MaximumRetryCount: number };
    AutoRemove: boolean;
    Privileged: boolean;
    ReadonlyRootfs: boolean;
  };
  Mounts: Mount[] | null;
  NetworkSettings: {
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null> | null;
    Networks: Record<string, { IPAddress: string; Gateway: string; MacAddress: string }> | null;
  };
}

export interface ImageDetail {
  Config?: {
    ExposedPorts?: Record<string, unknown> | null;
    Volumes?: Record<string, unknown> | null;
    Env?: string[] | null;
    Cmd?: string[] | null;
    Entrypoint?: string[] | null;
  };
}

export function nameOf(row: { Id: string; Names: string[] | null }): string {
  return row.Names?.[0]?.replace(/^\//, "") || row.Id.slice(0, 12);
}

/** Health as `docker ps` tells it: inside the status text. */
export function healthOf(row: { Status: string }): Health {
  if (/\(unhealthy\)/.test(row.Status)) return "unhealthy";
  if (/\(health: starting\)/.test(row.Status)) return "starting";
  return /\(healthy\)/.test(row.Status) ? "healthy" : null;
}

export function exitCodeOf(row: { State: State; Status: string }): number | null {
  const match = row.State === "exited" ? /^Exited \((-?\d+)\)/.exec(row.Status) : null;
  return match ? Number(match[1]) : null;
}

/** Published ports, one for each number and protocol (IPv4 and IPv6 twins joined), by host port. */
export function publishedPorts(ports: readonly Port[] | null): Port[] {
  const seen = new Map<string, Port>();
  for (const port of ports ?? []) {
    if (!port.PublicPort) continue;
    const key = `${port.PublicPort}>${port.PrivatePort}/${port.Type}`;
    const before = seen.get(key);
    if (!before || (before.IP ?? "").includes(":")) seen.set(key, port);
  }
  return [...seen.values()].sort((a, b) => (a.PublicPort ?? 0) - (b.PublicPort ?? 0));
}

/** Where a browser reaches a published TCP port; null where it cannot (UDP). */
export function portLink(port: Port, hostname: string): string | null {
  if (port.Type !== "tcp" || !port.PublicPort) return null;
  const everywhere = !port.IP || port.IP === "0.0.0.0" || port.IP === "::";
  const address = everywhere ? hostname : port.IP?.includes(":") ? `[${port.IP}]` : port.IP;
  const scheme = port.PrivatePort === 443 || port.PrivatePort === 8443 ? "https" : "http";
  return `${scheme}://${address}:${port.PublicPort}`;
}

/** Tags that are real names (Docker lists untagged images as `<none>:<none>`). */
export function tagsOf(row: ImageRow): string[] {
  return (row.RepoTags ?? []).filter((tag) => tag !== "<none>:<none>");
}
