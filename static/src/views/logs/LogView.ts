/** The log on screen, without a framework: a ring of lines, only visible rows in the DOM, follow and pause, search. */
import { parseAnsi, type Piece, type Style } from "./ansi";
import { type Line, makeLine, parseLine, Ring, View } from "./buffer";
import { Hits, makeMatcher, type Matcher, type Query } from "./search";

export const ROW = 20;
const OVERSCAN = 12;
const GUTTER = 12;
const BUDGET_MS = 7;
const STATUS_MS = 80;

export interface Options {
  wrap: boolean;
  timestamps: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Show only lines that match the search. */
  onlyHits: boolean;
}
export interface Status {
  lines: number;
  shown: number;
  follow: boolean;
  /** Lines that came since following stopped. */
  behind: number;
  hits: number;
  /** Number of the current hit from 1; 0 for none. */
  current: number;
  searching: boolean;
}
export interface Words {
  skipped(count: number): string;
}

export class LogView {
  private readonly ring: Ring;
  private readonly view: View;
  private readonly hits = new Hits();
  private readonly sizer = document.createElement("div");
  private readonly rows = new Map<number, HTMLElement>();
  private readonly queue: { text: string; at: number; accept: (time: string) => boolean }[] = [];
  private matcher: Matcher | null = null;
  private options: Options = { wrap: true, timestamps: true, stdout: true, stderr: true, onlyHits: false };
  private follow = true;
  private seenAtPause = 0;
  private current = -1;
  private scanned = 0;
  private charWidth = 7.8;
  private columns = 120;
  private widest = 0;
  private lastTop = 0;
  private lastBase = 0;
  private scheduled: { cancel(): void } | null = null;
  private reporting: ReturnType<typeof setTimeout> | null = null;
  private reported = 0;
  private readonly resizes: ResizeObserver | null;

  constructor(
    private readonly root: HTMLElement,
    private readonly words: Words,
    private readonly onStatus: (status: Status) => void,
    capacity?: number,
  ) {
    this.ring = new Ring(capacity);
    this.view = new View(this.ring);
    this.sizer.className = "log-sizer";
    root.replaceChildren(this.sizer);
    root.addEventListener("scroll", this.scrolled, { passive: true });
    document.addEventListener("selectionchange", this.selected);
    document.addEventListener("visibilitychange", this.shown);
    this.resizes = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(() => this.resized());
    this.resizes?.observe(root);
    this.measure();
  }

  destroy(): void {
    this.scheduled?.cancel();
    if (this.reporting) clearTimeout(this.reporting);
    this.resizes?.disconnect();
    this.root.removeEventListener("scroll", this.scrolled);
    document.removeEventListener("selectionchange", this.selected);
    document.removeEventListener("visibilitychange", this.shown);
    this.root.replaceChildren();
  }

  /** Lines joined by newlines, as a frame brings them; they are taken in over the next frames. */
  append(text: string, accept: (time: string) => boolean = () => true): void {
    this.queue.push({ text, at: 0, accept });
    this.schedule();
  }

  /** A visible mark where lines are missing. */
  gap(count: number): void {
    while (this.queue.length) this.takeIn(Infinity);
    this.add(makeLine("gap", "", this.words.skipped(count), count));
    this.schedule();
  }

  clear(): void {
    this.queue.length = 0;
    this.ring.clear();
    this.view.clear();
    this.hits.clear();
    this.scanned = this.ring.first;
    this.widest = 0;
    this.current = -1;
    this.lastBase = 0;
    this.seenAtPause = this.ring.next;
    this.dropRows();
    this.schedule();
  }

  setOptions(options: Options): void {
    const before = this.options;
    this.options = options;
    this.root.classList.toggle("log-wrap", options.wrap);
    this.root.classList.toggle("log-times", options.timestamps);
    if (JSON.stringify(before) !== JSON.stringify(options)) this.rebuild();
  }

  /** Throws SyntaxError for a bad expression; the old search stays then. */
  search(query: Query): void {
    this.matcher = makeMatcher(query);
    this.hits.clear();
    this.scanned = this.ring.first;
    this.current = -1;
    if (this.options.onlyHits) this.rebuild();
    this.dropRows();
    this.schedule();
  }

  /** Go to the next (+1) or previous (-1) hit; from the bottom of the screen when there is no current one. */
  step(direction: 1 | -1): void {
    if (!this.hits.count) return;
    const from = this.current >= this.ring.first ? this.current : this.lineAtBottom();
    let index = direction > 0 ? this.hits.indexFrom(from + 1) : this.hits.indexFrom(from) - 1;
    if (this.current < 0 && direction < 0) index = this.hits.indexFrom(from + 1) - 1;
    index = (index + this.hits.count) % this.hits.count;
    this.current = this.hits.at(index) ?? -1;
    this.setFollow(false);
    this.dropRows();
    const entry = this.view.entryOfLine(this.current);
    this.scrollTo((this.view.startOf(entry) - this.view.base) * ROW - this.root.clientHeight / 2);
    this.schedule();
  }

  setFollow(follow: boolean): void {
    if (this.follow === follow) return;
    this.follow = follow;
    this.seenAtPause = this.ring.next;
    this.schedule();
  }

  /** Everything kept, as plain text. */
  text(timestamps: boolean): string {
    const out: string[] = [];
    for (let at = this.ring.first; at < this.ring.next; at++) {
      const line = this.ring.get(at);
      if (line) out.push(timestamps && line.time ? `${line.time} ${line.plain}` : line.plain);
    }
    return out.join("\n");
  }

  status(): Status {
    return {
      lines: this.ring.size,
      shown: this.view.length,
      follow: this.follow,
      behind: this.follow ? 0 : this.ring.next - Math.max(this.seenAtPause, this.ring.first),
      hits: this.hits.count,
      current: this.current >= 0 ? this.hits.indexFrom(this.current) + 1 : 0,
      searching: this.matcher !== null && this.scanned < this.ring.next,
    };
  }

  private schedule(): void {
    if (this.scheduled) return;
    const run = () => {
      this.scheduled = null;
      this.work();
    };
    if (document.hidden) {
      const timer = setTimeout(run, 100);
      this.scheduled = { cancel: () => clearTimeout(timer) };
    } else {
      const frame = requestAnimationFrame(run);
      this.scheduled = { cancel: () => cancelAnimationFrame(frame) };
    }
  }

  /** One frame: take in what came, search on, draw. Stays within its budget and comes back for the rest. */
  private work(): void {
    const until = performance.now() + BUDGET_MS;
    this.takeIn(until);
    this.scan(until);
    this.draw();
    this.report();
    if (this.queue.length || (this.matcher && this.scanned < this.ring.next)) this.schedule();
  }

  /** Tell the status at once after a quiet time, else at most every 80 ms. */
  private report(): void {
    if (this.reporting) return;
    const wait = Math.max(0, this.reported + STATUS_MS - performance.now());
    this.reporting = setTimeout(() => {
      this.reporting = null;
      this.reported = performance.now();
      this.onStatus(this.status());
    }, wait);
  }

  private takeIn(until: number): void {
    let taken = 0;
    for (let chunk = this.queue[0]; chunk; chunk = this.queue[0]) {
      while (chunk.at <= chunk.text.length) {
        const stop = chunk.text.indexOf("\n", chunk.at);
        const raw = chunk.text.slice(chunk.at, stop < 0 ? undefined : stop);
        chunk.at = stop < 0 ? chunk.text.length + 1 : stop + 1;
        if (raw) {
          const line = parseLine(raw);
          if (chunk.accept(line.time)) this.add(line);
        }
        if (++taken % 64 === 0 && performance.now() > until) return;
      }
      this.queue.shift();
    }
  }

  private add(line: Line): void {
    const at = this.ring.push(line);
    if (this.wanted(line)) this.place(at, line);
  }

  private place(at: number, line: Line): void {
    if (line.width > this.widest) this.widest = line.width;
    this.view.push(at, this.options.wrap ? Math.max(1, Math.ceil(line.width / this.columns)) : 1);
  }

  private wanted(line: Line): boolean {
    if (line.source === "gap") return true;
    if (!(line.source === "e" ? this.options.stderr : this.options.stdout)) return false;
    return !this.options.onlyHits || !this.matcher || this.matcher.test(line.plain);
  }

  private scan(until: number): void {
    if (!this.matcher) return;
    this.scanned = Math.max(this.scanned, this.ring.first);
    for (; this.scanned < this.ring.next; this.scanned++) {
      const line = this.ring.get(this.scanned);
      if (line && line.source !== "gap" && this.matcher.test(line.plain) && this.wanted(line)) this.hits.add(this.scanned);
      if (this.scanned % 128 === 0 && performance.now() > until) {
        this.scanned++;
        return;
      }
    }
  }

  /** Decide anew which lines are shown and how high they are; the line at the top stays at the top. */
  private rebuild(): void {
    const top = this.view.length ? this.view.lineOf(this.view.entryAtRow(this.view.base + Math.floor(this.root.scrollTop / ROW))) : 0;
    this.measure();
    this.view.clear();
    this.hits.clear();
    this.scanned = this.ring.first;
    this.widest = 0;
    for (let at = this.ring.first; at < this.ring.next; at++) {
      const line = this.ring.get(at);
      if (line && this.wanted(line)) this.place(at, line);
    }
    this.dropRows();
    this.size();
    this.lastBase = this.view.base;
    if (!this.follow) this.scrollTo((this.view.startOf(Math.min(this.view.entryOfLine(top), Math.max(0, this.view.tail - 1))) - this.view.base) * ROW);
    this.schedule();
  }

  private draw(): void {
    this.view.evict();
    this.hits.evict(this.ring.first);
    this.size();
    const base = this.view.base;
    if (this.follow) this.scrollTo(this.view.rows * ROW);
    else if (base > this.lastBase) this.scrollTo(this.root.scrollTop - (base - this.lastBase) * ROW);
    this.lastBase = base;
    if (!this.view.length) return this.dropRows();
    const first = this.view.entryAtRow(base + Math.max(0, Math.floor(this.root.scrollTop / ROW) - OVERSCAN));
    const last = this.view.entryAtRow(base + Math.ceil((this.root.scrollTop + this.root.clientHeight) / ROW) + OVERSCAN);
    const keep = new Set<number>();
    for (let entry = first; entry <= last && entry < this.view.tail; entry++) {
      const at = this.view.lineOf(entry);
      keep.add(at);
      const row = this.rows.get(at) ?? this.makeRow(at, entry);
      row.style.transform = `translateY(${(this.view.startOf(entry) - base) * ROW}px)`;
    }
    for (const [at, row] of this.rows) {
      if (keep.has(at)) continue;
      row.remove();
      this.rows.delete(at);
    }
  }

  private size(): void {
    this.sizer.style.height = `${this.view.rows * ROW}px`;
    const gutter = this.options.timestamps ? GUTTER + 2 : 0;
    this.sizer.style.minWidth = this.options.wrap ? "" : `${(this.widest + gutter + 4) * this.charWidth}px`;
  }

  private makeRow(at: number, entry: number): HTMLElement {
    const line = this.ring.get(at) ?? makeLine("gap", "", "");
    const row = document.createElement("div");
    row.className = `log-line log-${line.source}${at === this.current ? " log-current" : ""}`;
    row.dataset.testid = line.source === "gap" ? "log-gap" : "log-line";
    row.dataset.source = line.source;
    row.style.height = `${(this.view.endOf(entry) - this.view.startOf(entry)) * ROW}px`;
    if (this.options.timestamps && line.source !== "gap") row.append(timeOf(line.time));
    const text = document.createElement("span");
    text.className = "log-text";
    const ranges = line.source === "gap" ? [] : (this.matcher?.ranges(line.plain) ?? []);
    for (const node of render(parseAnsi(line.text), ranges)) text.append(node);
    row.append(text);
    this.sizer.append(row);
    this.rows.set(at, row);
    return row;
  }

  private dropRows(): void {
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  private lineAtBottom(): number {
    if (!this.view.length) return 0;
    return this.view.lineOf(this.view.entryAtRow(this.view.base + Math.floor((this.root.scrollTop + this.root.clientHeight) / ROW)));
  }

  private scrollTo(top: number): void {
    const limit = Math.max(0, this.view.rows * ROW - this.root.clientHeight + 16);
    this.root.scrollTop = Math.max(0, Math.min(top, limit));
    this.lastTop = this.root.scrollTop;
  }

  private readonly scrolled = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    const bottom = scrollHeight - scrollTop - clientHeight < ROW * 1.5;
    if (scrollTop < this.lastTop - 2 && !bottom) this.setFollow(false);
    else if (bottom && scrollTop > this.lastTop) this.setFollow(true);
    this.lastTop = scrollTop;
    this.schedule();
  };

  /** Marking text stops the lines from running away under the pointer. */
  private readonly selected = (): void => {
    const selection = document.getSelection();
    if (this.follow && selection && !selection.isCollapsed && this.root.contains(selection.anchorNode)) this.setFollow(false);
  };

  private readonly shown = (): void => {
    this.scheduled?.cancel();
    this.scheduled = null;
    this.schedule();
  };

  private resized(): void {
    const columns = this.columns;
    this.measure();
    if (this.options.wrap && columns !== this.columns) this.rebuild();
    this.schedule();
  }

  private measure(): void {
    const probe = document.createElement("span");
    probe.className = "log-text log-probe";
    probe.textContent = "0".repeat(100);
    this.sizer.append(probe);
    const width = probe.getBoundingClientRect().width / 100;
    probe.remove();
    if (width > 0) this.charWidth = width;
    const gutter = this.options.timestamps ? (GUTTER + 2) * this.charWidth : 0;
    this.columns = Math.max(20, Math.floor((this.root.clientWidth - gutter - 32) / this.charWidth));
    this.root.style.setProperty("--log-columns", `${this.columns}`);
    this.root.style.setProperty("--log-char", `${this.charWidth}px`);
  }
}

function timeOf(time: string): HTMLElement {
  const span = document.createElement("span");
  span.className = "log-time";
  const date = new Date(time);
  const two = (n: number) => String(n).padStart(2, "0");
  span.textContent = Number.isNaN(date.getTime())
    ? time.slice(0, GUTTER)
    : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  span.title = time;
  return span;
}

/** Styled pieces cut at the hits of the search; text nodes only. */
export function render(pieces: readonly Piece[], ranges: readonly [number, number][]): Node[] {
  const nodes: Node[] = [];
  let at = 0;
  let next = 0;
  for (const piece of pieces) {
    let from = 0;
    while (from < piece.text.length) {
      while ((ranges[next]?.[1] ?? Infinity) <= at) next += 1;
      const range = ranges[next];
      const inside = range !== undefined && range[0] <= at;
      const stop = Math.min(piece.text.length, from + ((inside ? range[1] : (range?.[0] ?? Infinity)) - at));
      nodes.push(node(piece.text.slice(from, stop), piece.style, inside));
      at += stop - from;
      from = stop;
    }
  }
  return nodes;
}

function node(text: string, style: Style | null, hit: boolean): Node {
  if (!style && !hit) return document.createTextNode(text);
  const element = document.createElement(hit ? "mark" : "span");
  element.textContent = text;
  if (!style) return element;
  const [fg, bg] = style.inverse ? [style.bg ?? "bg", style.fg ?? "fg"] : [style.fg, style.bg];
  if (fg !== null) element.style.color = typeof fg === "string" && fg.startsWith("rgb") ? fg : `var(--ansi-${fg})`;
  if (bg !== null && !hit) element.style.backgroundColor = typeof bg === "string" && bg.startsWith("rgb") ? bg : `var(--ansi-${bg})`;
  if (style.bold) element.style.fontWeight = "700";
  if (style.dim) element.style.opacity = "0.7";
  if (style.italic) element.style.fontStyle = "italic";
  if (style.underline || style.strike) {
    element.style.textDecoration = [style.underline ? "underline" : "", style.strike ? "line-through" : ""].join(" ").trim();
  }
  return element;
}
