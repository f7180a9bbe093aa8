import { describe, expect, it, vi } from "vitest";
import { type Sample, UsageStore } from "../../src/core/usage";

const sample = (cpu: number): Sample => ({ cpu, mem: 1, limit: 0, rx: 0, tx: 0, read: 0, write: 0, pids: 1 });

describe("UsageStore", () => {
  it("forgets the present value of what is no longer running, and tells its row", () => {
    const [store, seen] = [new UsageStore(), vi.fn()];
    store.watch("a", seen);
    store.take(1_700_000_000, { a: sample(5) });
    expect(store.latest("a")).toMatchObject({ cpu: 5, at: 1_700_000_000_000 });
    store.take(1_700_000_001, {});
    expect(store.latest("a")).toBeNull();
    expect(store.history("a")).toHaveLength(1);
    expect(seen).toHaveBeenCalledTimes(2);
  });

  it("takes a repeated frame once", () => {
    const store = new UsageStore();
    store.take("2026-01-01T00:00:00Z", { a: sample(1) });
    store.take("2026-01-01T00:00:00Z", { a: sample(1) });
    expect(store.history("a")).toHaveLength(1);
  });

  it("keeps a bounded history", () => {
    const store = new UsageStore();
    for (let i = 0; i < 2000; i++) store.take(1_700_000_000 + i, { a: sample(i) });
    expect(store.history("a").length).toBeLessThanOrEqual(660);
    expect(store.latest("a")?.cpu).toBe(1999);
  });
});
