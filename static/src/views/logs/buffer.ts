/** The lines of a log: a ring bounded by lines and characters, and the view of it (filter, wrapped heights, search). No DOM. */
import { settle, strip } from "./ansi";

export type Source = "o" | "e" | "gap";

export interface Line {
  source: Source;
  /** RFC 3339 time as the engine wrote it; "" for a gap. */
  time: string;
  /** Text with its colour codes. */
  text: string;
  /** Text without them: what is searched and measured. */
  plain: string;
  /** Columns it takes, wide characters counted twice. */
  width: number;
  /** Lines missing here (gap only). */
  missing: number;
}

export const CAPACITY = 100_000;
const MAX_CHARS = 96 * 1024 * 1024;
const MAX_SHOWN = 16_384;
// Wide in a monospace font: CJK, Hangul, fullwidth forms, emoji.
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\ud83c-\ud83e][\udc00-\udfff]/g;
 
const ASCII = /^[\x20-\x7e]*$/;

/** One line as it comes over the wire: `<o|e><time> <text>`. */
export function parseLine(raw: string): Line {
  const source: Source = raw.charAt(0) === "e" ? "e" : "o";
  const space = raw.indexOf(" ");
  const time = space > 0 ? raw.slice(1, space) : raw.slice(1);
  return makeLine(source, time, space > 0 ? raw.slice(space + 1) : "");
}

export function makeLine(source: Source, time: string, raw: string, missing = 0): Line {
  let text = settle(raw);
  if (text.length > MAX_SHOWN) text = `${text.slice(0, MAX_SHOWN)} … +${(text.length - MAX_SHOWN).toLocaleString("en")}`;
  const plain = strip(text);
  return { source, time, text, plain, width: widthOf(plain), missing };
}

export function widthOf(plain: string): number {
  if (ASCII.test(plain)) return plain.length;
  let width = plain.length;
  for (const match of plain.matchAll(WIDE)) width += match[0].length === 1 ? 1 : 0;
  return width;
}

/** Lines by an absolute number that never changes while the line is kept. */
export class Ring {
  private readonly lines: (Line | undefined)[];
  first = 0;
  next = 0;
  private chars = 0;

  constructor(readonly capacity = CAPACITY, private readonly maxChars = MAX_CHARS) {
    this.lines = new Array<Line | undefined>(capacity);
  }

  push(line: Line): number {
    if (this.next - this.first >= this.capacity) this.shift();
    this.lines[this.next % this.capacity] = line;
    this.chars += line.text.length + line.plain.length;
    this.next += 1;
    while (this.chars > this.maxChars && this.next - this.first > 1) this.shift();
    return this.next - 1;
  }

  get(at: number): Line | undefined {
    return at >= this.first && at < this.next ? this.lines[at % this.capacity] : undefined;
  }

  get size(): number {
    return this.next - this.first;
  }

  clear(): void {
    this.lines.fill(undefined);
    this.first = this.next;
    this.chars = 0;
  }

  private shift(): void {
    const slot = this.first % this.capacity;
    const line = this.lines[slot];
    if (line) this.chars -= line.text.length + line.plain.length;
    this.lines[slot] = undefined;
    this.first += 1;
  }
}

/** Which lines are shown, and where: entries count up for ever, positions in rows are found in O(log n). */
export class View {
  private readonly lines: Float64Array;
  /** Rows up to and with an entry since the start of time: never renumbered when old lines go. */
  private readonly ends: Float64Array;
  head = 0;
  tail = 0;

  constructor(private readonly ring: Ring) {
    this.lines = new Float64Array(ring.capacity);
    this.ends = new Float64Array(ring.capacity);
  }

  get length(): number {
    return this.tail - this.head;
  }

  /** Rows that lay before the first entry. */
  get base(): number {
    return this.length ? this.startOf(this.head) : 0;
  }

  get rows(): number {
    return this.length ? this.endOf(this.tail - 1) - this.base : 0;
  }

  push(line: number, rows: number): void {
    this.evict();
    const slot = this.tail % this.ring.capacity;
    this.lines[slot] = line;
    this.ends[slot] = (this.length ? this.endOf(this.tail - 1) : this.evictedEnd) + rows;
    this.tail += 1;
  }

  /** Forget entries whose lines have left the ring. */
  evict(): void {
    while (this.head < this.tail && this.lineOf(this.head) < this.ring.first) {
      this.evictedEnd = this.endOf(this.head);
      this.head += 1;
    }
  }

  clear(): void {
    this.head = this.tail = this.evictedEnd = 0;
  }

  lineOf(entry: number): number {
    return this.lines[entry % this.ring.capacity] ?? -1;
  }

  startOf(entry: number): number {
    return entry === this.head ? this.evictedEnd : this.endOf(entry - 1);
  }

  endOf(entry: number): number {
    return this.ends[entry % this.ring.capacity] ?? 0;
  }

  /** The entry that covers an absolute row. */
  entryAtRow(row: number): number {
    let low = this.head;
    let high = Math.max(this.head, this.tail - 1);
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.endOf(middle) > row) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The entry of a line, or of the next one that is shown. */
  entryOfLine(line: number): number {
    let low = this.head;
    let high = this.tail;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.lineOf(middle) >= line) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private evictedEnd = 0;
}
