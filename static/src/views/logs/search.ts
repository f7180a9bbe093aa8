/** What the log's search box means. */

export interface Query {
  text: string;
  regex: boolean;
}
export interface Matcher {
  test(plain: string): boolean;
  /** Start and end of each hit, at most `limit`. */
  ranges(plain: string, limit?: number): [number, number][];
}

const MAX_TESTED = 8192;

/** Null for an empty query; throws SyntaxError for a bad expression. Smart case: a capital letter makes it exact. */
export function makeMatcher(query: Query): Matcher | null {
  if (!query.text) return null;
  const exact = /[A-Z]/.test(query.regex ? query.text.replace(/\\./g, "") : query.text);
  const source = query.regex ? query.text : query.text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const regex = new RegExp(source, exact ? "g" : "gi");
  return {
    test(plain) {
      regex.lastIndex = 0;
      return regex.test(plain.length > MAX_TESTED ? plain.slice(0, MAX_TESTED) : plain);
    },
    ranges(plain, limit = 200) {
      const found: [number, number][] = [];
      regex.lastIndex = 0;
      for (const match of plain.slice(0, MAX_TESTED).matchAll(regex)) {
        if (match[0].length > 0) found.push([match.index, match.index + match[0].length]);
        if (found.length >= limit) break;
      }
      return found;
    },
  };
}

/** Line numbers of hits, ascending, with those of forgotten lines dropped in passing. */
export class Hits {
  private lines: number[] = [];
  private head = 0;

  get count(): number {
    return this.lines.length - this.head;
  }
  add(line: number): void {
    this.lines.push(line);
  }
  clear(): void {
    this.lines = [];
    this.head = 0;
  }
  evict(first: number): void {
    while (this.head < this.lines.length && (this.lines[this.head] ?? 0) < first) this.head += 1;
    if (this.head > 65_536) {
      this.lines = this.lines.slice(this.head);
      this.head = 0;
    }
  }
  /** Index (from 0) of the first hit at or after a line. */
  indexFrom(line: number): number {
    let low = this.head;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.lines[middle] ?? 0) >= line) high = middle;
      else low = middle + 1;
    }
    return low - this.head;
  }
  at(index: number): number | undefined {
    return index < 0 ? undefined : this.lines[this.head + index];
  }
}
