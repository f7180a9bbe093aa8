/** What needs somebody: made of rows, journal, machine and operations; pure. */
import { type ContainerRow, exitCodeOf, healthOf, nameOf } from "../../core/docker";
import type { JournalEvent } from "../../core/journal";
import type { Operation } from "../../core/live";
import type { Machine } from "../../core/machine";

export type Need =
  | { kind: "oom"; row: ContainerRow; at: number; limit: number; peak: number }
  | { kind: "unhealthy" | "restarting" | "failed" | "dead"; row: ContainerRow; at: number; code: number | null; times: number }
  | { kind: "disk"; free: number; total: number; at: number }
  | { kind: "operation"; operation: Operation; at: number };

const LOOP_MS = 10 * 60_000;
const LOOP_TIMES = 3;
const DAY_MS = 24 * 3600_000;
const FULL = 0.9;
const RANK = { disk: 0, oom: 1, restarting: 2, unhealthy: 3, dead: 4, failed: 5, operation: 6 } as const;
/** Ended because they were told to. */
const TOLD = new Set([0, 130, 137, 143]);

export function needsOf(rows: readonly ContainerRow[], events: readonly JournalEvent[], machine: Machine | null, operations: readonly Operation[], now: number): Need[] {
  const found: Need[] = [];
  if (machine && machine.disk_total > 0 && 1 - machine.disk_free / machine.disk_total > FULL) found.push({ kind: "disk", free: machine.disk_free, total: machine.disk_total, at: now });
  const byId = new Map<string, JournalEvent[]>();
  for (const event of events) if (event.Type === "container") byId.set(event.Actor.ID, [...(byId.get(event.Actor.ID) ?? []), event]);
  for (const row of rows) {
    const need = needOf(row, byId.get(row.Id) ?? [], now);
    if (need) found.push(need);
  }
  for (const operation of operations) {
    const at = Date.parse(operation.finished ?? operation.created);
    if (operation.state === "failed" && now - at < DAY_MS) found.push({ kind: "operation", operation, at });
  }
  return found.sort((a, b) => RANK[a.kind] - RANK[b.kind] || b.at - a.at);
}

/** `events` of one container, newest first. */
function needOf(row: ContainerRow, events: readonly JournalEvent[], now: number): Need | null {
  const deaths = events.filter((event) => event.Action === "die");
  const last = deaths[0] ? deaths[0].timeNano / 1e6 : row.Created * 1000;
  const code = exitCodeOf(row) ?? (deaths[0] ? Number(deaths[0].Actor.Attributes?.exitCode ?? NaN) : null);
  const times = deaths.filter((event) => now - event.timeNano / 1e6 < LOOP_MS).length;
  const oom = events.find((event) => event.Action === "oom");
  const lastStart = events.find((event) => event.Action === "start")?.timeNano ?? 0;
  if (oom && row.State !== "running" && oom.timeNano >= lastStart) {
    const facts = oom.Actor.Attributes ?? {};
    return { kind: "oom", row, at: oom.timeNano / 1e6, limit: Number(facts.memoryLimit ?? 0), peak: Number(facts.memoryPeak ?? 0) };
  }
  if (row.State === "restarting" || (row.State === "running" && times >= LOOP_TIMES)) return { kind: "restarting", row, at: last, code, times };
  if (row.State === "running" && healthOf(row) === "unhealthy") return { kind: "unhealthy", row, at: last, code: null, times };
  if (row.State === "dead") return { kind: "dead", row, at: last, code, times };
  if (row.State === "exited" && code !== null && !TOLD.has(code) && now - last < DAY_MS) return { kind: "failed", row, at: last, code, times };
  return null;
}

export function keyOf(need: Need): string {
  if (need.kind === "disk") return "disk";
  return need.kind === "operation" ? need.operation.id : `${need.kind}${need.row.Id}`;
}

export function titleOf(need: Need): string {
  if (need.kind === "disk") return "";
  return need.kind === "operation" ? need.operation.title : nameOf(need.row);
}
