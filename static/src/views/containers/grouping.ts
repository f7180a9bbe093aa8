/** Groups of the list: heads between the rows, each of which can be closed. Pure but for what is remembered as closed. */
import type { ContainerRow } from "../../core/docker";
import { t } from "../../core/i18n";
import { Preference } from "../../core/prefs";

/** "" for none, "stack", "image", "state", or "label:KEY"; it is in the address as `group`. */
export type Grouping = string;

const HEAD = "group:";
export const closedGroups = new Preference<string[]>("berth.containers.closed", []);

export function isHead(id: string): boolean {
  return id.startsWith(HEAD);
}

/** A head's id: its name and how many rows it has. */
export function readHead(id: string): { key: string; name: string; count: number } {
  const [count = "0", ...rest] = id.slice(HEAD.length).split("|");
  const key = rest.join("|");
  return { key, name: key, count: Number(count) };
}

export function stackOf(row: ContainerRow): string {
  return row.Labels?.["com.docker.compose.project"] ?? row.Labels?.["com.docker.stack.namespace"] ?? "";
}

export function groupOf(row: ContainerRow, by: Grouping): string {
  if (by === "stack") return stackOf(row);
  if (by === "image") return row.Image;
  if (by === "state") return t(`state.${row.State}`);
  return by.startsWith("label:") ? (row.Labels?.[by.slice(6)] ?? "") : "";
}

/** The ids with a head before each group; groups by name, those without one last; rows of closed groups are left out. */
export function withHeads(ids: readonly string[], groupFor: (id: string) => string, closed: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const id of ids) {
    const name = groupFor(id);
    const of = groups.get(name);
    if (of) of.push(id);
    else groups.set(name, [id]);
  }
  const names = [...groups.keys()].sort((a, b) => (a === "" ? 1 : b === "" ? -1 : a.localeCompare(b, undefined, { numeric: true })));
  return names.flatMap((name) => [`${HEAD}${groups.get(name)?.length ?? 0}|${name}`, ...(closed.includes(name) ? [] : (groups.get(name) ?? []))]);
}

export function toggleGroup(key: string): void {
  const closed = closedGroups.get();
  closedGroups.set(closed.includes(key) ? closed.filter((one) => one !== key) : [...closed, key]);
}
