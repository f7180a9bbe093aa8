import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeLine, parseLine, Ring, View, widthOf } from "../../src/views/logs/buffer";
import { Demux } from "../../src/views/logs/download";
import { LogView, render, type Status } from "../../src/views/logs/LogView";
import { parseAnsi } from "../../src/views/logs/ansi";
import { compareTimes, Resume } from "../../src/views/logs/resume";
import { Hits, makeMatcher } from "../../src/views/logs/search";

const line = (text: string) => makeLine("o", "", text);

describe("lines", () => {
  it("are read from the wire", () => {
    expect(parseLine("e2026-01-01T00:00:00.5Z oh no")).toMatchObject({ source: "e", time: "2026-01-01T00:00:00.5Z", text: "oh no" });
    expect(parseLine("o2026-01-01T00:00:00Z ")).toMatchObject({ source: "o", text: "" });
    expect(parseLine("o2026-01-01T00:00:00Z")).toMatchObject({ time: "2026-01-01T00:00:00Z", text: "" });
  });
  it("count wide characters twice", () => {
    expect(widthOf("abc")).toBe(3);
    expect(widthOf("中文a")).toBe(5);
    expect(widthOf("😀")).toBe(2);
  });
  it("are cut when they are absurdly long", () => expect(line("x".repeat(2_000_000)).text.length).toBeLessThan(17_000));
});

describe("Ring", () => {
  it("keeps the newest, under numbers that stay", () => {
    const ring = new Ring(3);
    for (const text of "abcde") ring.push(line(text));
    expect([ring.first, ring.next, ring.size]).toEqual([2, 5, 3]);
    expect([ring.get(1), ring.get(2)?.text, ring.get(4)?.text, ring.get(5)]).toEqual([undefined, "c", "e", undefined]);
  });
  it("is bounded by characters too", () => {
    const ring = new Ring(100, 1000);
    for (let i = 0; i < 50; i++) ring.push(line("x".repeat(100)));
    expect(ring.size).toBeLessThanOrEqual(5);
    expect(ring.get(ring.next - 1)?.text).toHaveLength(100);
  });
});

describe("View", () => {
  it("finds entries by row, also after the ring went round many times", () => {
    const ring = new Ring(50);
    const view = new View(ring);
    for (let i = 0; i < 1234; i++) view.push(ring.push(line(String(i))), 1 + (i % 3));
    expect(view.length).toBe(50);
    expect(ring.get(view.lineOf(view.head))?.text).toBe("1184");
    let row = view.base;
    for (let entry = view.head; entry < view.tail; entry++) {
      expect(view.startOf(entry)).toBe(row);
      expect(view.entryAtRow(row)).toBe(entry);
      expect(view.entryAtRow(view.endOf(entry) - 1)).toBe(entry);
      row = view.endOf(entry);
    }
    expect(view.rows).toBe(row - view.base);
  });
  it("holds a part of the lines and finds the next shown one", () => {
    const ring = new Ring(10);
    const view = new View(ring);
    for (let i = 0; i < 10; i++) {
      const at = ring.push(line(String(i)));
      if (i % 2) view.push(at, 1);
    }
    expect(view.lineOf(view.entryOfLine(4))).toBe(5);
    for (let i = 10; i < 25; i++) ring.push(line(String(i)));
    view.evict();
    expect([view.length, view.rows]).toEqual([0, 0]);
    view.push(ring.push(line("x")), 2);
    expect([view.length, view.rows]).toEqual([1, 2]);
  });
});

describe("search", () => {
  it("is in smart case, literally unless asked", () => {
    expect(makeMatcher({ text: "err.r", regex: false })?.test("an ERR.R")).toBe(true);
    expect(makeMatcher({ text: "err.r", regex: false })?.test("error")).toBe(false);
    expect(makeMatcher({ text: "Err", regex: false })?.test("err")).toBe(false);
    expect(makeMatcher({ text: "\\Werr", regex: true })?.test("x ERR")).toBe(true);
    expect(makeMatcher({ text: "", regex: true })).toBeNull();
    expect(() => makeMatcher({ text: "(", regex: true })).toThrow(SyntaxError);
  });
  it("gives ranges every time it is asked", () => {
    const matcher = makeMatcher({ text: "a", regex: false });
    expect(matcher?.test("banana")).toBe(true);
    expect(matcher?.ranges("banana")).toEqual([[1, 2], [3, 4], [5, 6]]);
    expect(matcher?.ranges("banana")).toEqual([[1, 2], [3, 4], [5, 6]]);
    expect(makeMatcher({ text: "x*", regex: true })?.ranges("axxb")).toEqual([[1, 3]]);
  });
  it("keeps hits in order and forgets those whose line is gone", () => {
    const hits = new Hits();
    for (const at of [3, 5, 9, 12]) hits.add(at);
    hits.evict(5);
    expect([hits.count, hits.indexFrom(6), hits.at(0), hits.at(-1), hits.at(3)]).toEqual([3, 1, 5, undefined, undefined]);
  });
});

describe("Resume", () => {
  const t = (n: number) => `2026-01-01T00:00:00.${String(n).padStart(9, "0")}Z`;
  it("goes on after the last line without doubling any of the same instant", () => {
    const resume = new Resume();
    expect(resume.since).toBeUndefined();
    for (const at of [1, 2, 2, 3, 3]) expect(resume.accept(t(at))).toBe(true);
    expect(resume.since).toBe(t(3));
    resume.restart();
    // The engine sends again from that instant on: two known lines, a third of the same instant, and news.
    expect([2, 3, 3, 3, 4, 4].map((at) => resume.accept(t(at)))).toEqual([false, false, false, true, true, true]);
    resume.restart();
    expect([4, 4, 5].map((at) => resume.accept(t(at)))).toEqual([false, false, true]);
  });
  it("compares fractions of any length", () => {
    expect(compareTimes("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.1Z")).toBe(-1);
    expect(compareTimes("2026-01-01T00:00:00.10Z", "2026-01-01T00:00:00.1Z")).toBe(0);
    expect(compareTimes("2026-01-01T00:00:01Z", "2026-01-01T00:00:00.999999999Z")).toBe(1);
  });
});

describe("Demux", () => {
  it("joins frames whatever the chunks", () => {
    const frame = (kind: number, text: string) => [kind, 0, 0, 0, 0, 0, text.length >> 8, text.length & 255, ...new TextEncoder().encode(text)];
    const all = Uint8Array.from([...frame(1, "hello\n"), ...frame(2, ""), ...frame(2, "x".repeat(300)), ...frame(1, "end")]);
    for (const size of [1, 7, 8, 9, 1000]) {
      const demux = new Demux();
      const out: number[] = [];
      for (let at = 0; at < all.length; at += size) for (const part of demux.feed(all.slice(at, at + size))) out.push(...part);
      expect(new TextDecoder().decode(Uint8Array.from(out))).toBe(`hello\n${"x".repeat(300)}end`);
    }
  });
});

describe("render", () => {
  it("marks hits across pieces, and makes text nodes only", () => {
    const box = document.createElement("div");
    box.append(...render(parseAnsi("<b>\x1b[31mred\x1b[0m tail"), [[1, 5]]));
    expect(box.textContent).toBe("<b>red tail");
    expect([...box.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["b>", "re"]);
    expect(box.querySelector("b, script, img")).toBeNull();
  });
});

describe("LogView", () => {
  let root: HTMLElement;
  let status: Status | null;
  let view: LogView;
  const frame = () => vi.advanceTimersByTime(40);
  beforeEach(() => {
    vi.useFakeTimers();
    root = document.createElement("div");
    Object.defineProperty(root, "clientHeight", { value: 400 });
    Object.defineProperty(root, "clientWidth", { value: 800 });
    Object.defineProperty(root, "scrollHeight", { get: () => Number.parseInt((root.firstElementChild as HTMLElement).style.height || "0", 10) });
    document.body.append(root);
    status = null;
    view = new LogView(root, { skipped: (n) => `${n} skipped` }, (next) => (status = next), 1000);
  });
  afterEach(() => {
    view.destroy();
    root.remove();
    vi.useRealTimers();
  });
  const wire = (from: number, count: number) => Array.from({ length: count }, (_, i) => `${(from + i) % 10 ? "o" : "e"}2026-01-01T00:00:00Z line ${from + i}`).join("\n");
  const settleAll = () => {
    for (let i = 0; i < 60; i++) frame();
  };

  it("holds a bounded number of rows in the page however long the log", () => {
    view.append(wire(0, 5000));
    settleAll();
    expect(status).toMatchObject({ lines: 1000, follow: true });
    expect(root.querySelectorAll(".log-line").length).toBeLessThan(80);
    expect(root.textContent).toContain("line 4999");
  });

  it("counts what comes while it is paused", () => {
    view.append(wire(0, 100));
    settleAll();
    view.setFollow(false);
    view.append(wire(100, 30));
    settleAll();
    expect(status).toMatchObject({ follow: false, behind: 30 });
    view.setFollow(true);
    settleAll();
    expect(status).toMatchObject({ follow: true, behind: 0 });
  });

  it("filters streams, finds and counts, and shows only hits when asked", () => {
    view.append(wire(0, 100));
    settleAll();
    view.setOptions({ wrap: true, timestamps: true, stdout: false, stderr: true, onlyHits: false });
    settleAll();
    expect(status).toMatchObject({ lines: 100, shown: 10 });
    view.setOptions({ wrap: true, timestamps: true, stdout: true, stderr: true, onlyHits: false });
    view.search({ text: "line 4\\d$", regex: true });
    settleAll();
    expect(status).toMatchObject({ hits: 10, current: 0 });
    view.step(-1);
    settleAll();
    expect(status).toMatchObject({ current: 10, follow: false });
    view.step(1);
    settleAll();
    expect(status).toMatchObject({ current: 1 });
    view.setOptions({ wrap: true, timestamps: true, stdout: true, stderr: true, onlyHits: true });
    settleAll();
    expect(status).toMatchObject({ shown: 10 });
    view.append(wire(140, 10));
    settleAll();
    expect(status).toMatchObject({ shown: 10, hits: 10 });
  });

  it("marks where lines are missing, in their place", () => {
    view.append(wire(0, 3));
    view.gap(7);
    view.append(wire(10, 2));
    settleAll();
    expect([...root.querySelectorAll(".log-text")].map((row) => row.textContent).filter((text) => text !== "0".repeat(100))).toEqual(["line 0", "line 1", "line 2", "7 skipped", "line 10", "line 11"]);
  });

  it("shows markup as text", () => {
    view.append('o2026-01-01T00:00:00Z <img src=x onerror="alert(1)"><script>1</script>');
    settleAll();
    expect(root.querySelector("img, script")).toBeNull();
    expect(root.textContent).toContain("<img src=x");
  });
});
