/** How many lines were written when. */

/** By the beginning of each step (ms since 1970): lines of stdout, of stderr. */
export type Density = Map<number, [number, number]>;

const MOST_STEPS = 2000;

/** Count the lines of a frame of the log topic (`<o|e><RFC 3339 time> <text>`, joined by newlines) into `density`. */
export function addLines(density: Density, lines: string, stepMs: number): void {
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf("\n", at);
    const stop = end < 0 ? lines.length : end;
    const space = lines.indexOf(" ", at);
    const when = Date.parse(lines.slice(at + 1, space > at && space < stop ? space : stop));
    if (!Number.isNaN(when)) {
      const step = Math.floor(when / stepMs) * stepMs;
      const counts = density.get(step) ?? [0, 0];
      counts[lines.charAt(at) === "e" ? 1 : 0] += 1;
      density.set(step, counts);
    }
    at = stop + 1;
  }
  if (density.size > MOST_STEPS) for (const step of [...density.keys()].sort((a, b) => a - b).slice(0, density.size - MOST_STEPS)) density.delete(step);
}
