/** The same container in other words: a Compose file, and a `docker run` line read back into the form. */
import { split } from "../../core/shell";
import { createBody, EMPTY, parseHostPort, type RunSpec } from "./runSpec";

/** A Compose file with this one service. */
export function composeOf(spec: RunSpec): string {
  const name = spec.name || "app";
  const lines = ["services:", `  ${name}:`, `    image: ${scalar(spec.image.trim() || "IMAGE")}`];
  const add = (text: string) => lines.push(`    ${text}`);
  const list = (key: string, values: readonly string[]) => {
    if (!values.length) return;
    add(`${key}:`);
    for (const value of values) lines.push(`      - ${scalar(value)}`);
  };
  if (spec.name) add(`container_name: ${scalar(spec.name)}`);
  const command = createBody(spec).Cmd as string[] | undefined;
  if (command) add(`command: [${command.map((word) => JSON.stringify(word.replaceAll("$", "$$$$"))).join(", ")}]`);
  if (spec.hostname) add(`hostname: ${scalar(spec.hostname)}`);
  if (spec.user) add(`user: ${scalar(spec.user)}`);
  if (spec.workdir) add(`working_dir: ${scalar(spec.workdir)}`);
  if (spec.tty) lines.push("    tty: true", "    stdin_open: true");
  if (spec.restart !== "no") add(`restart: ${scalar(spec.restart + (spec.restart === "on-failure" && spec.retries ? `:${spec.retries}` : ""))}`);
  list("ports", spec.ports.filter((row) => row.container).map(portOf));
  list("environment", spec.env.filter((row) => row.key).map((row) => `${row.key}=${row.value}`.replaceAll("$", "$$$$")));
  list("volumes", spec.volumes.filter((row) => row.target).map((row) => `${row.source ? `${row.source}:` : ""}${row.target}${row.readOnly ? ":ro" : ""}`));
  if (spec.memory) add(`mem_limit: ${scalar(spec.memory.replace(/\s+/g, ""))}`);
  if (spec.cpus) add(`cpus: ${scalar(spec.cpus)}`);
  if (spec.pids) add(`pids_limit: ${spec.pids}`);
  const special = /^(host|none|container:.*)$/.test(spec.network);
  if (special) add(`network_mode: ${scalar(spec.network)}`);
  else if (spec.network && spec.network !== "bridge") list("networks", [spec.network]);
  const named = [...new Set(spec.volumes.map((row) => row.source).filter((source) => source && !source.startsWith("/")))];
  if (named.length) lines.push("volumes:", ...named.map((source) => `  ${source}: {}`));
  if (!special && spec.network && spec.network !== "bridge") lines.push("networks:", `  ${spec.network}:`, "    external: true");
  return `${lines.join("\n")}\n`;
}

function portOf({ host, container, protocol }: RunSpec["ports"][number]): string {
  return `${host ? `${host}:` : ""}${container}${protocol === "udp" ? "/udp" : ""}`;
}

/** YAML 1.2 plain where that cannot be read as something else, else double-quoted (JSON is YAML). */
function scalar(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_./@=-]*(:[A-Za-z0-9_./@-]+)*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text) ? text : JSON.stringify(text);
}

export interface Parsed {
  spec: RunSpec;
  /** Options that the form has no field for; they are left out. */
  unknown: string[];
}

const VALUED: Record<string, (spec: RunSpec, value: string) => unknown> = {
  name: (s, v) => void (s.name = v),
  hostname: (s, v) => void (s.hostname = v), h: (s, v) => void (s.hostname = v),
  user: (s, v) => void (s.user = v), u: (s, v) => void (s.user = v),
  workdir: (s, v) => void (s.workdir = v), w: (s, v) => void (s.workdir = v),
  network: (s, v) => void (s.network = v), net: (s, v) => void (s.network = v),
  memory: (s, v) => void (s.memory = v), m: (s, v) => void (s.memory = v),
  cpus: (s, v) => void (s.cpus = v),
  "pids-limit": (s, v) => void (s.pids = v),
  restart: restartOf,
  env: envOf, e: envOf,
  publish: publishOf, p: publishOf,
  volume: volumeOf, v: volumeOf,
  mount: mountOf,
};
const FLAGS: Record<string, (spec: RunSpec) => void> = {
  d: () => undefined, detach: () => undefined,
  i: () => undefined, interactive: () => undefined,
  t: (s) => void (s.tty = true), tty: (s) => void (s.tty = true),
  rm: (s) => void (s.autoRemove = true),
};
const BOOLEAN = new Set(["privileged", "read-only", "init", "publish-all", "P", "no-healthcheck", "oom-kill-disable", "q", "quiet"]);

/** Read a `docker run` (or `create`) line; null when it is none. Throws UnbalancedQuote. */
export function parseRun(text: string): Parsed | null {
  const words = split(text.replace(/\\\r?\n/g, " "));
  while (words[0] === "sudo" || words[0] === "$") words.shift();
  if (!/^(docker|podman|berth)$/.test(words.shift() ?? "")) return null;
  if (words[0] === "container") words.shift();
  if (!/^(run|create)$/.test(words.shift() ?? "")) return null;
  const spec: RunSpec = { ...EMPTY, env: [], ports: [], volumes: [] };
  const unknown: string[] = [];
  while (words[0]?.startsWith("-") && words[0] !== "--") option(words, spec, unknown);
  if (words[0] === "--") words.shift();
  spec.image = words.shift() ?? "";
  spec.command = words.map((word) => (word !== "" && /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
  return spec.image ? { spec, unknown } : null;
}

function option(words: string[], spec: RunSpec, unknown: string[]): void {
  const word = words.shift() ?? "";
  if (!word.startsWith("--") && word.length > 2) {
    const first = word.charAt(1);
    if (first in FLAGS || BOOLEAN.has(first)) words.unshift(`-${first}`, `-${word.slice(2)}`);
    else words.unshift(`-${first}`, word.slice(word.charAt(2) === "=" ? 3 : 2));
    return;
  }
  const [name = "", ...rest] = word.replace(/^--?/, "").split("=");
  const flag = FLAGS[name];
  if (flag) return rest[0] === "false" ? undefined : flag(spec);
  if (BOOLEAN.has(name)) return void unknown.push(word);
  const value = rest.length ? rest.join("=") : (words.shift() ?? "");
  const set = VALUED[name];
  if (!set || set(spec, value) === false) unknown.push(`${word.split("=")[0]} ${value}`.trim());
}

function restartOf(spec: RunSpec, value: string): unknown {
  const [name = "", retries = ""] = value.split(":");
  if (name !== "no" && name !== "always" && name !== "unless-stopped" && name !== "on-failure") return false;
  spec.restart = name;
  spec.retries = retries;
}

function envOf(spec: RunSpec, value: string): unknown {
  const at = value.indexOf("=");
  if (at <= 0) return false;
  spec.env.push({ key: value.slice(0, at), value: value.slice(at + 1) });
}

function publishOf(spec: RunSpec, value: string): unknown {
  const match = /^(?:(.*):)?(\d+)(?:\/(tcp|udp))?$/.exec(value);
  const host = match?.[1] ?? "";
  if (!match?.[2] || !parseHostPort(host.replace(/:$/, ":"))) return false;
  spec.ports.push({ host, container: match[2], protocol: match[3] === "udp" ? "udp" : "tcp" });
}

function volumeOf(spec: RunSpec, value: string): unknown {
  const parts = value.split(":");
  if (parts.length === 1) spec.volumes.push({ source: "", target: value, readOnly: false });
  else if (parts.length === 2) spec.volumes.push({ source: parts[0] ?? "", target: parts[1] ?? "", readOnly: false });
  else if (parts.length === 3 && /^(ro|rw)$/.test(parts[2] ?? "")) spec.volumes.push({ source: parts[0] ?? "", target: parts[1] ?? "", readOnly: parts[2] === "ro" });
  else return false;
}

function mountOf(spec: RunSpec, value: string): unknown {
  const facts = new Map(value.split(",").map((one): [string, string] => [one.split("=", 1)[0] ?? "", one.slice(one.indexOf("=") + 1)]));
  const target = facts.get("target") ?? facts.get("dst") ?? facts.get("destination");
  if (!target || !/^(volume|bind)$/.test(facts.get("type") ?? "volume")) return false;
  spec.volumes.push({ source: facts.get("source") ?? facts.get("src") ?? "", target, readOnly: facts.has("readonly") || facts.has("ro") });
}
