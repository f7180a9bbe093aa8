/** Use of CPU, memory, network and disks, a sample a second, kept for a while for each container. */
import { useCallback, useSyncExternalStore } from "react";
import { Listeners } from "./store";

export interface Sample {
  cpu: number;
  mem: number;
  limit: number;
  rx: number;
  tx: number;
  read: number;
  write: number;
  pids: number;
  /** Nanoseconds held back at the CPU limit, since its start; engines of before do not tell. */
  throttled?: number;
}
export interface Point extends Sample {
  /** Milliseconds since 1970. */
  at: number;
}

const MANY = 200;

export class UsageStore {
  private readonly points = new Map<string, Point[]>();
  private readonly listeners = new Map<string, Listeners>();
  private readonly everyone = new Listeners();
  private current = new Set<string>();
  readonly subscribe = this.everyone.add;

  /** `at`: seconds, milliseconds or RFC 3339, as the server sends it. */
  take(at: unknown, rows: Record<string, Sample>): void {
    const when = timeOf(at);
    const ids = Object.keys(rows);
    const keep = ids.length > MANY ? 60 : 600;
    for (const id of ids) {
      const sample = rows[id];
      if (!sample) continue;
      const points = this.points.get(id) ?? [];
      // A new subscription begins with the last frame, which may be known already.
      if ((points.at(-1)?.at ?? 0) >= when) continue;
      points.push({ ...sample, at: when });
      if (points.length > keep + 60) points.splice(0, points.length - keep);
      this.points.set(id, points);
    }
    const gone = [...this.current].filter((id) => !(id in rows));
    this.current = new Set(ids);
    for (const id of [...ids, ...gone]) this.listeners.get(id)?.call();
    this.everyone.call();
  }

  /** The newest sample; null when the container is not running. */
  latest(id: string): Point | null {
    return this.current.has(id) ? (this.points.get(id)?.at(-1) ?? null) : null;
  }

  history(id: string): readonly Point[] {
    return this.points.get(id) ?? [];
  }

  totals(): { cpu: number; mem: number; running: number } {
    let cpu = 0;
    let mem = 0;
    for (const id of this.current) {
      const point = this.points.get(id)?.at(-1);
      cpu += point?.cpu ?? 0;
      mem += point?.mem ?? 0;
    }
    return { cpu, mem, running: this.current.size };
  }

  watch(id: string, listener: () => void): () => void {
    let of = this.listeners.get(id);
    if (!of) this.listeners.set(id, (of = new Listeners()));
    const drop = of.add(listener);
    return () => {
      drop();
      if (of.size === 0) this.listeners.delete(id);
    };
  }

  clear(): void {
    this.points.clear();
    this.current = new Set();
    this.everyone.call();
  }
}

export function useUsage(store: UsageStore, id: string): Point | null {
  const subscribe = useCallback((fn: () => void) => store.watch(id, fn), [store, id]);
  return useSyncExternalStore(subscribe, () => store.latest(id));
}

function timeOf(at: unknown): number {
  if (typeof at === "number") return at < 1e11 ? at * 1000 : at;
  const parsed = typeof at === "string" ? Date.parse(at) : NaN;
  return Number.isNaN(parsed) ? Date.now() : parsed;
}
