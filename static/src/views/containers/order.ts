/** Which containers the list shows, and in what order. */
import { useEffect, useRef, useState } from "react";
import { type ContainerRow, nameOf, type State } from "../../core/docker";
import { containers, usage } from "../../core/live";
import { useValue } from "../../core/store";
import { type Filter, parseFilter } from "./filter";
import { closedGroups, type Grouping, groupOf, withHeads } from "./grouping";

export type SortKey = "name" | "state" | "image" | "created" | "cpu" | "mem";
export interface Sort {
  key: SortKey;
  down: boolean;
}

const RANK: Record<State, number> = { restarting: 0, running: 1, paused: 2, removing: 3, dead: 4, created: 5, exited: 6 };
const SETTLE_MS = 80;
const USAGE_MS = 5000;

export function orderedIds(rows: readonly ContainerRow[], filter: Filter, sort: Sort, load: (id: string, key: "cpu" | "mem") => number): string[] {
  const shown = filter.empty ? [...rows] : rows.filter((row) => filter.test(row));
  const name = new Intl.Collator(undefined, { numeric: true });
  const byName = (a: ContainerRow, b: ContainerRow) => name.compare(nameOf(a), nameOf(b));
  const compare: Record<SortKey, (a: ContainerRow, b: ContainerRow) => number> = {
    name: byName,
    state: (a, b) => RANK[a.State] - RANK[b.State] || byName(a, b),
    image: (a, b) => name.compare(a.Image, b.Image) || byName(a, b),
    created: (a, b) => a.Created - b.Created || byName(a, b),
    cpu: (a, b) => load(a.Id, "cpu") - load(b.Id, "cpu") || byName(a, b),
    mem: (a, b) => load(a.Id, "mem") - load(b.Id, "mem") || byName(a, b),
  };
  shown.sort(compare[sort.key]);
  if (sort.down) shown.reverse();
  return shown.map((row) => row.Id);
}

/** Mean of the last ten seconds: rows sorted by load do not jump at each sample. */
export function meanLoad(id: string, key: "cpu" | "mem"): number {
  if (!usage.latest(id)) return -1;
  const points = usage.history(id).slice(-10);
  return points.reduce((sum, point) => sum + point[key], 0) / Math.max(1, points.length);
}

/** The ids in order, renewed soon after a change, and the same array as long as nothing moved. */
export function useOrderedIds(text: string, sort: Sort, by: Grouping): { ids: readonly string[]; filter: Filter } {
  const [ids, setIds] = useState<readonly string[]>([]);
  const [filter, setFilter] = useState<Filter>(() => parseFilter(text));
  const closed = useValue(closedGroups);
  const last = useRef<readonly string[]>([]);
  useEffect(() => {
    const parsed = parseFilter(text);
    setFilter(parsed);
    let timer: ReturnType<typeof setTimeout> | null = null;
    const renew = () => {
      timer = null;
      const flat = orderedIds(containers.all(), parsed, sort, meanLoad);
      const group = (id: string) => {
        const row = containers.get(id);
        return row ? groupOf(row, by) : "";
      };
      const next = by ? withHeads(flat, group, closed) : flat;
      if (next.length === last.current.length && next.every((id, i) => id === last.current[i])) return;
      last.current = next;
      setIds(next);
    };
    renew();
    const drop = containers.subscribe(() => (timer ??= setTimeout(renew, SETTLE_MS)));
    const again = sort.key === "cpu" || sort.key === "mem" ? setInterval(renew, USAGE_MS) : null;
    return () => {
      drop();
      if (timer) clearTimeout(timer);
      if (again) clearInterval(again);
    };
  }, [text, sort, by, closed]);
  return { ids, filter };
}
