/** What the run form holds, and the three things made of it: problems by field, the create call, the `docker run` line. */
import type { Key } from "../../core/i18n";
import { quote, split, UnbalancedQuote } from "../../core/shell";

export interface EnvRow {
  key: string;
  value: string;
}
export interface PortRow {
  host: string;
  container: string;
  protocol: "tcp" | "udp";
}
export interface VolumeRow {
  source: string;
  target: string;
  readOnly: boolean;
}
export type Restart = "no" | "always" | "unless-stopped" | "on-failure";

export interface RunSpec {
  image: string;
  name: string;
  command: string;
  env: EnvRow[];
  ports: PortRow[];
  volumes: VolumeRow[];
  memory: string;
  cpus: string;
  pids: string;
  restart: Restart;
  retries: string;
  hostname: string;
  user: string;
  workdir: string;
  network: string;
  tty: boolean;
  autoRemove: boolean;
}

export const EMPTY: RunSpec = {
  image: "", name: "", command: "", env: [], ports: [], volumes: [], memory: "", cpus: "", pids: "",
  restart: "no", retries: "", hostname: "", user: "", workdir: "", network: "bridge", tty: false, autoRemove: false,
};

/** Field path ("ports.0.container") → message key. */
export type Problems = Record<string, Key>;

const IMAGE = /^(?:[a-zA-Z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:(?:\.|_|__|-+|\/)[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{12,64}$/;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const SIZE = /^(\d+(?:\.\d+)?)\s*(b|k|kb|kib|m|mb|mib|g|gb|gib|t|tb|tib)?$/i;
const SCALE: Record<string, number> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** "512m" → bytes; null when it is not a size. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text.trim());
  if (!match) return null;
  return Math.round(Number(match[1]) * (SCALE[(match[2] ?? "b").charAt(0).toLowerCase()] ?? 1));
}

/** "127.0.0.1:8080" → its two parts; "" → both empty (any free port). */
export function parseHostPort(text: string): { ip: string; port: string } | null {
  const match = /^(?:(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]):)?(\d*)$/.exec(text.trim());
  if (!match || (match[2] && !isPort(match[2]))) return null;
  return { ip: (match[1] ?? "").replace(/^\[|\]$/g, ""), port: match[2] ?? "" };
}

/** Lines of KEY=VALUE, as an env file has them: blank lines and # comments are left out. */
export function parseEnv(text: string): EnvRow[] {
  const rows: EnvRow[] = [];
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/^\s*(?:export\s+)?/, "");
    if (!line || line.startsWith("#")) continue;
    const at = line.indexOf("=");
    rows.push(at < 0 ? { key: line.trim(), value: "" } : { key: line.slice(0, at).trim(), value: unquote(line.slice(at + 1)) });
  }
  return rows;
}

export function problemsOf(spec: RunSpec): Problems {
  const found: Problems = {};
  const image = spec.image.trim();
  if (!image) found.image = "run.err.image.needed";
  else if (!IMAGE.test(image) && !IMAGE_ID.test(image)) found.image = "run.err.image.form";
  if (spec.name && !NAME.test(spec.name)) found.name = "run.err.name";
  if (wordsOf(spec.command) === null) found.command = "run.err.command";
  spec.env.forEach((row, i) => {
    if (!row.key ? row.value : /[=\s\0]/.test(row.key)) found[`env.${i}.key`] = "run.err.env";
  });
  portProblems(spec.ports, found);
  spec.volumes.forEach((row, i) => {
    if (!row.source && !row.target) return;
    if (!row.target.startsWith("/") || row.target === "/" || row.target.includes(":")) found[`volumes.${i}.target`] = "run.err.target";
    if (row.source && !row.source.startsWith("/") && !NAME.test(row.source)) found[`volumes.${i}.source`] = "run.err.source";
  });
  limitProblems(spec, found);
  if (spec.workdir && !spec.workdir.startsWith("/")) found.workdir = "run.err.workdir";
  if (spec.autoRemove && spec.restart !== "no") found.restart = "run.err.autoremove";
  return found;
}

function portProblems(ports: readonly PortRow[], found: Problems): void {
  const taken = new Set<string>();
  ports.forEach((row, i) => {
    if (!row.host && !row.container) return;
    const host = parseHostPort(row.host);
    if (!isPort(row.container)) found[`ports.${i}.container`] = "run.err.port";
    if (!host) found[`ports.${i}.host`] = "run.err.hostport";
    else if (host.port) {
      const key = `${host.ip}:${host.port}/${row.protocol}`;
      if (taken.has(key)) found[`ports.${i}.host`] = "run.err.port.twice";
      taken.add(key);
    }
  });
}

function limitProblems(spec: RunSpec, found: Problems): void {
  const memory = spec.memory ? parseSize(spec.memory) : 0;
  if (memory === null) found.memory = "run.err.size";
  else if (spec.memory && memory < 6 * 1024 ** 2) found.memory = "run.err.memory.min";
  if (spec.cpus && !(/^\d*\.?\d+$/.test(spec.cpus) && Number(spec.cpus) >= 0.01)) found.cpus = "run.err.cpus";
  if (spec.pids && !/^[1-9]\d*$/.test(spec.pids)) found.pids = "run.err.number";
  if (spec.restart === "on-failure" && spec.retries && !/^\d+$/.test(spec.retries)) found.retries = "run.err.number";
}

/** The body of POST /containers/create. The spec must have no problems. */
export function createBody(spec: RunSpec): Record<string, unknown> {
  const ports = spec.ports.filter((row) => row.container);
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const row of ports) {
    const host = parseHostPort(row.host) ?? { ip: "", port: "" };
    (bindings[`${row.container}/${row.protocol}`] ??= []).push({ HostIp: host.ip, HostPort: host.port });
  }
  const command = wordsOf(spec.command);
  return {
    Image: spec.image.trim(),
    ...(command?.length ? { Cmd: command } : {}),
    ...(spec.hostname ? { Hostname: spec.hostname } : {}),
    ...(spec.user ? { User: spec.user } : {}),
    ...(spec.workdir ? { WorkingDir: spec.workdir } : {}),
    Env: spec.env.filter((row) => row.key).map((row) => `${row.key}=${row.value}`),
    Tty: spec.tty,
    OpenStdin: spec.tty,
    ExposedPorts: Object.fromEntries(Object.keys(bindings).map((port) => [port, {}])),
    HostConfig: hostConfig(spec, bindings),
  };
}

function hostConfig(spec: RunSpec, bindings: Record<string, unknown>): Record<string, unknown> {
  const named = spec.volumes.filter((row) => row.target);
  return {
    Binds: named.filter((row) => row.source).map((row) => `${row.source}:${row.target}${row.readOnly ? ":ro" : ""}`),
    Mounts: named.filter((row) => !row.source).map((row) => ({ Type: "volume", Target: row.target, ReadOnly: row.readOnly })),
    PortBindings: bindings,
    NetworkMode: spec.network || "bridge",
    AutoRemove: spec.autoRemove,
    RestartPolicy: { Name: spec.restart, MaximumRetryCount: spec.restart === "on-failure" ? Number(spec.retries || 0) : 0 },
    ...(spec.memory ? { Memory: parseSize(spec.memory) ?? 0 } : {}),
    ...(spec.cpus ? { NanoCpus: Math.round(Number(spec.cpus) * 1e9) } : {}),
    ...(spec.pids ? { PidsLimit: Number(spec.pids) } : {}),
  };
}

/** The same container as a `docker run` command, one option a line. */
export function dockerRun(spec: RunSpec): string {
  const options: string[] = [];
  const add = (...words: string[]) => options.push(words.map(quote).join(" "));
  if (spec.tty) options.push("-it");
  if (spec.autoRemove) options.push("--rm");
  if (spec.name) add("--name", spec.name);
  if (spec.hostname) add("--hostname", spec.hostname);
  if (spec.user) add("--user", spec.user);
  if (spec.workdir) add("--workdir", spec.workdir);
  if (spec.network && spec.network !== "bridge") add("--network", spec.network);
  for (const row of spec.ports) if (row.container) add("-p", portWord(row));
  for (const row of spec.volumes) if (row.target) add(...volumeWords(row));
  for (const row of spec.env) if (row.key) add("-e", `${row.key}=${row.value}`);
  if (spec.memory) add("--memory", spec.memory.trim().replace(/\s+/g, ""));
  if (spec.cpus) add("--cpus", spec.cpus);
  if (spec.pids) add("--pids-limit", spec.pids);
  if (spec.restart !== "no") add("--restart", spec.restart + (spec.restart === "on-failure" && spec.retries ? `:${spec.retries}` : ""));
  const tail = [spec.image.trim() || "IMAGE", ...(wordsOf(spec.command) ?? [spec.command])].map(quote).join(" ");
  return [spec.tty ? "docker run" : "docker run -d", ...options, tail].join(" \\\n  ").replace("run \\\n  -it", "run -it");
}

function portWord(row: PortRow): string {
  const host = parseHostPort(row.host);
  const ip = host?.ip ? `${host.ip.includes(":") ? `[${host.ip}]` : host.ip}:` : "";
  const left = host ? (host.port || ip ? `${ip}${host.port}:` : "") : `${row.host}:`;
  return `${left}${row.container}${row.protocol === "udp" ? "/udp" : ""}`;
}

function volumeWords(row: VolumeRow): string[] {
  if (row.source) return ["-v", `${row.source}:${row.target}${row.readOnly ? ":ro" : ""}`];
  return row.readOnly ? ["--mount", `type=volume,target=${row.target},readonly`] : ["-v", row.target];
}

function wordsOf(command: string): string[] | null {
  try {
    return split(command);
  } catch (error) {
    if (error instanceof UnbalancedQuote) return null;
    throw error;
  }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

function unquote(value: string): string {
  const match = /^(['"])(.*)\1\s*$/.exec(value);
  return match ? (match[2] ?? "") : value;
}

/** Which field an error of the engine belongs to: its own field where it names one, else by its words. */
export function fieldOf(message: string, field: string | null, spec: RunSpec): string | null {
  if (field && field in spec) return field;
  if (/container name .* already in use|Invalid container name/i.test(message)) return "name";
  const port = /(?:port is already allocated|address already in use|Bind for)/i.test(message) ? /:(\d+)\b/.exec(message) : null;
  if (port) {
    const at = spec.ports.findIndex((row) => parseHostPort(row.host)?.port === port[1]);
    return `ports.${at < 0 ? 0 : at}.host`;
  }
  if (/no such image|manifest|pull access|repository|invalid reference|registry/i.test(message)) return "image";
  if (/executable file not found|no such file or directory.*exec|exec:? .*no such file or directory|exec format/i.test(message)) return "command";
  if (/unable to find user|no matching entries in passwd/i.test(message)) return "user";
  if (/network .* not found/i.test(message)) return "network";
  if (/memory limit/i.test(message)) return "memory";
  if (/cpus/i.test(message)) return "cpus";
  if (/mount|volume|bind/i.test(message) && spec.volumes.length) return "volumes.0.source";
  return null;
}
