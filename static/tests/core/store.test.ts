import { describe, expect, it, vi } from "vitest";
import { Collection, Value } from "../../src/core/store";

interface Row {
  id: string;
  n: number;
}
const rows = () => new Collection<Row>((row) => row.id);

describe("Collection", () => {
  it("calls only the listeners of rows that changed", () => {
    const all = rows();
    all.reset([{ id: "a", n: 1 }, { id: "b", n: 1 }], 1);
    const [a, b, list] = [vi.fn(), vi.fn(), vi.fn()];
    all.watch("a", a);
    all.watch("b", b);
    all.subscribe(list);
    all.apply([{ id: "a", n: 2 }, { id: "b", n: 1 }], [], 2);
    expect([a, b, list].map((fn) => fn.mock.calls.length)).toEqual([1, 0, 1]);
    expect(all.seq).toBe(2);
  });

  it("says nothing when nothing changed", () => {
    const all = rows();
    all.reset([{ id: "a", n: 1 }]);
    const list = vi.fn();
    all.subscribe(list);
    expect(all.apply([{ id: "a", n: 1 }])).toEqual([]);
    expect(list).not.toHaveBeenCalled();
  });

  it("keeps the identity of equal rows across a snapshot, and tells of rows that are gone", () => {
    const all = rows();
    all.reset([{ id: "a", n: 1 }, { id: "b", n: 1 }]);
    const [before, gone] = [all.get("a"), vi.fn()];
    all.watch("b", gone);
    all.reset([{ id: "a", n: 1 }]);
    expect(all.get("a")).toBe(before);
    expect(gone).toHaveBeenCalledOnce();
    expect(all.size).toBe(1);
  });

  it("removes", () => {
    const all = rows();
    all.reset([{ id: "a", n: 1 }]);
    all.apply([], ["a", "never"]);
    expect(all.all()).toEqual([]);
  });

  it("lets a listener leave while it is called", () => {
    const all = rows();
    const second = vi.fn();
    const stop = all.subscribe(() => stop());
    all.subscribe(second);
    all.apply([{ id: "a", n: 1 }]);
    expect(second).toHaveBeenCalledOnce();
  });
});

describe("Value", () => {
  it("tells of changes only", () => {
    const [value, seen] = [new Value(1), vi.fn()];
    value.subscribe(seen);
    value.set(1);
    value.set(2);
    expect(seen).toHaveBeenCalledOnce();
  });
});
