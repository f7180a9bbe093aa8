/** Where a log stream goes on after a break: at the last line seen, without doubling it. */

/** Lines of one instant may come in one write, so the time alone does not say which of them were seen: they are counted too. */
export class Resume {
  private last = "";
  private atLast = 0;
  private skip = 0;
  private resuming = false;

  /** The `since` to ask for; undefined when nothing was seen yet. */
  get since(): string | undefined {
    return this.last || undefined;
  }

  /** Call at each (re)subscribe, before its first lines. */
  restart(): void {
    this.resuming = this.last !== "";
    this.skip = this.atLast;
  }

  /** Forget everything: the next subscribe starts from scratch. */
  reset(): void {
    this.last = "";
    this.atLast = this.skip = 0;
    this.resuming = false;
  }

  /** True if this line is new; remembers it. `time` is the RFC 3339 time of the line. */
  accept(time: string): boolean {
    if (this.resuming) {
      const order = compareTimes(time, this.last);
      if (order < 0) return false;
      if (order === 0 && this.skip > 0) {
        this.skip -= 1;
        return false;
      }
      this.resuming = order === 0;
    }
    if (!time) return true;
    if (time === this.last) this.atLast += 1;
    else {
      this.last = time;
      this.atLast = 1;
    }
    return true;
  }
}

/** Compare RFC 3339 times in UTC by their text, fractions of any length. */
export function compareTimes(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function parts(time: string): string {
  const match = /^([^.Z+]*)(?:\.(\d+))?/.exec(time);
  return `${match?.[1] ?? ""}.${(match?.[2] ?? "").padEnd(9, "0")}`;
}
