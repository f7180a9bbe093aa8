/** State outside React: one value, or many rows with a subscription for each row. */
import { useCallback, useSyncExternalStore } from "react";

type Listener = () => void;

/** Listeners of one thing; calling the result of `add` removes the listener. */
export class Listeners {
  private readonly set = new Set<Listener>();
  add = (listener: Listener): Listener => {
    this.set.add(listener);
    return () => this.set.delete(listener);
  };
  call(): void {
    for (const listener of [...this.set]) listener();
  }
  get size(): number {
    return this.set.size;
  }
}

/** One value that can be watched. */
export class Value<T> {
  private readonly listeners = new Listeners();
  constructor(private current: T) {}
  readonly subscribe = this.listeners.add;
  readonly get = (): T => this.current;
  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    this.listeners.call();
  }
}

/** Rows by id. A row's listeners are called only when that row changed. */
export class Collection<T> {
  private rows = new Map<string, T>();
  private list: readonly T[] | null = null;
  private readonly rowListeners = new Map<string, Listeners>();
  private readonly listeners = new Listeners();
  /** False until the first snapshot is there. */
  ready = false;
  /** Sequence number of the last change, for catching up after a reconnect. */
  seq: number | null = null;

  constructor(readonly idOf: (row: T) => string) {}

  readonly subscribe = this.listeners.add;

  get(id: string): T | undefined {
    return this.rows.get(id);
  }

  all(): readonly T[] {
    return (this.list ??= [...this.rows.values()]);
  }

  get size(): number {
    return this.rows.size;
  }

  watch(id: string, listener: Listener): Listener {
    let of = this.rowListeners.get(id);
    if (!of) this.rowListeners.set(id, (of = new Listeners()));
    const drop = of.add(listener);
    return () => {
      drop();
      if (of.size === 0 && this.rowListeners.get(id) === of) this.rowListeners.delete(id);
    };
  }

  /** Replace everything by a snapshot; rows that are equal keep their identity. */
  reset(rows: readonly T[], seq: number | null = null): void {
    const before = this.rows;
    this.rows = new Map(rows.map((row) => [this.idOf(row), keep(before.get(this.idOf(row)), row)]));
    this.ready = true;
    this.seq = seq;
    const touched = new Set([...before.keys(), ...this.rows.keys()]);
    this.changed([...touched].filter((id) => before.get(id) !== this.rows.get(id)));
  }

  /** Apply one change; returns the ids that really changed. */
  apply(upsert: readonly T[], remove: readonly string[] = [], seq: number | null = null): string[] {
    const touched: string[] = [];
    for (const row of upsert) {
      const id = this.idOf(row);
      const kept = keep(this.rows.get(id), row);
      if (kept === this.rows.get(id)) continue;
      this.rows.set(id, kept);
      touched.push(id);
    }
    for (const id of remove) if (this.rows.delete(id)) touched.push(id);
    if (seq !== null) this.seq = seq;
    if (touched.length) this.changed(touched);
    return touched;
  }

  clear(): void {
    const ids = [...this.rows.keys()];
    this.rows = new Map();
    this.ready = false;
    this.seq = null;
    this.changed(ids);
  }

  private changed(ids: readonly string[]): void {
    this.list = null;
    for (const id of ids) this.rowListeners.get(id)?.call();
    this.listeners.call();
  }
}

function keep<T>(before: T | undefined, after: T): T {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(after) ? before : after;
}

export function useValue<T>(value: Value<T>): T {
  return useSyncExternalStore(value.subscribe, value.get);
}

export function useRow<T>(rows: Collection<T>, id: string): T | undefined {
  const subscribe = useCallback((fn: Listener) => rows.watch(id, fn), [rows, id]);
  return useSyncExternalStore(subscribe, () => rows.get(id));
}

export function useRows<T>(rows: Collection<T>): readonly T[] {
  return useSyncExternalStore(rows.subscribe, () => rows.all());
}

export function useReady<T>(rows: Collection<T>): boolean {
  return useSyncExternalStore(rows.subscribe, () => rows.ready);
}
