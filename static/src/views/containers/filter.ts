/** The filter box of the container list: `state:exited label:env=prod image:*nginx* -name:db web`. */
import { type ContainerRow, healthOf, nameOf } from "../../core/docker";
import { teamOf } from "../../core/rights";
import { session } from "../../core/session";
import { stackOf } from "./grouping";

export const KEYS = ["state", "label", "image", "name", "id", "port", "health", "network", "stack", "volume", "team"] as const;
type FilterKey = (typeof KEYS)[number];

interface Term {
  key: FilterKey | null;
  values: string[];
  not: boolean;
}
export interface Filter {
  test(row: ContainerRow): boolean;
  /** Keys that do not exist, to be told to the user. */
  unknown: string[];
  empty: boolean;
}

/** Parse; all terms must hold, values apart by commas are alternatives, `*` stands for anything, `-` or `!` turns a term round. */
export function parseFilter(text: string): Filter {
  const terms: Term[] = [];
  const unknown: string[] = [];
  for (const raw of words(text)) {
    const not = /^[-!]./.test(raw);
    const word = not ? raw.slice(1) : raw;
    const match = /^([a-z]+):(.*)$/is.exec(word);
    const key = match?.[1]?.toLowerCase();
    if (!match || !key) terms.push({ key: null, values: [word.toLowerCase()], not });
    else if (!(KEYS as readonly string[]).includes(key)) {
      if (looksLikeImage(word)) terms.push({ key: null, values: [word.toLowerCase()], not });
      else unknown.push(key);
    } else if (match[2]) terms.push({ key: key as FilterKey, values: match[2].toLowerCase().split(",").filter(Boolean), not });
  }
  const tests = terms.map((term) => ({ term, patterns: term.values.map((value) => pattern(value, term.key)) }));
  return {
    unknown,
    empty: terms.length === 0,
    test: (row) => tests.every(({ term, patterns }) => patterns.some((one) => holds(row, term.key, one)) !== term.not),
  };
}

function words(text: string): string[] {
  return (text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []).map((word) => word.replaceAll('"', ""));
}

/** "nginx:1.27" is an image and not a key. */
function looksLikeImage(word: string): boolean {
  return /^[a-z0-9./-]+:[\d][\w.-]*$|:latest$/i.test(word);
}

interface Pattern {
  text: string;
  regex: RegExp | null;
}

function pattern(value: string, key: FilterKey | null): Pattern {
  const exact = key === "state" || key === "health" || key === "port" || (key === "label" && value.includes("="));
  if (!value.includes("*")) return { text: value, regex: exact ? anchored(value) : null };
  return { text: value, regex: anchored(value) };
}

function anchored(glob: string): RegExp {
  return new RegExp(`^${glob.split(/\*+/).map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`, "is");
}

function matches(value: string, { text, regex }: Pattern): boolean {
  return regex ? regex.test(value) : value.toLowerCase().includes(text);
}

function holds(row: ContainerRow, key: FilterKey | null, one: Pattern): boolean {
  switch (key) {
    case null:
      return matches(nameOf(row), one) || matches(row.Image, one) || row.Id.startsWith(one.text);
    case "state":
      return matches(row.State, one);
    case "image":
      return matches(row.Image, one);
    case "name":
      return (row.Names ?? []).some((name) => matches(name.replace(/^\//, ""), one));
    case "id":
      return row.Id.startsWith(one.text.replace(/\*$/, ""));
    case "health":
      return matches(healthOf(row) ?? "none", one);
    case "port":
      return (row.Ports ?? []).some((port) => matches(String(port.PublicPort ?? ""), one) || matches(String(port.PrivatePort), one));
    case "network":
      return Object.keys(row.NetworkSettings?.Networks ?? {}).some((name) => matches(name, one));
    case "stack":
      return matches(stackOf(row), one);
    case "volume":
      return (row.Mounts ?? []).some((mount) => matches(mount.Name || mount.Source, one));
    case "team":
      return matches(currentTeam(), one);
    case "label":
      return Object.entries(row.Labels ?? {}).some(([name, value]) => matches(one.text.includes("=") ? `${name}=${value}` : name, one));
  }
}

/** All rows are of the team that is shown. */
function currentTeam(): string {
  const user = session.get()?.user;
  return (user && teamOf(user)?.name) || "default";
}
