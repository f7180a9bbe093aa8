import { expect, it } from "vitest";
import { addLines, type Density } from "../../src/views/container/density";

it("lines are counted by time and stream; what has no time is left out", () => {
  const density: Density = new Map();
  addLines(density, "o2026-01-01T00:00:01.5Z a b\ne2026-01-01T00:00:02Z\nnonsense\no2026-01-01T00:00:11Z x", 10_000);
  const start = Date.parse("2026-01-01T00:00:00Z");
  expect([...density]).toEqual([[start, [1, 1]], [start + 10_000, [1, 0]]]);
});
