/** The table itself: rows on screen only, one focused row, cards on a phone. */
import { useMediaQuery } from "@mantine/hooks";
import { type CSSProperties, type KeyboardEvent, useMemo, useRef, useState } from "react";
import { type Key, t } from "../../core/i18n";
import { containers } from "../../core/live";
import { go } from "../../core/router";
import { IconChevronDown, IconChevronUp } from "../../ui/icons";
import { useWindow } from "../../ui/virtual";
import { act, can } from "./actions";
import { templateOf, useColumns } from "./columns";
import { GroupHead } from "./GroupBy";
import { isHead, readHead, toggleGroup } from "./grouping";
import type { Sort, SortKey } from "./order";
import { Row } from "./Row";

const ROW = 50;
const CARD = 142;
const HEAD = 38;
interface Props {
  ids: readonly string[];
  sort: Sort;
  onSort(sort: Sort): void;
  selected: ReadonlySet<string>;
  onSelect(ids: ReadonlySet<string>): void;
  onHelp(): void;
}

export function Table({ ids, sort, onSort, selected, onSelect, onHelp }: Props) {
  const cards = useMediaQuery("(max-width: 760px)", window.innerWidth <= 760, { getInitialValueInEffect: false });
  const columns = useColumns();
  const shown = useMemo(() => columns.map((column) => column.id), [columns]);
  const real = useMemo(() => ids.filter((id) => !isHead(id)), [ids]);
  const widths = useMemo(() => ({ "--wide": templateOf(columns, 2), "--middle": templateOf(columns, 1), "--narrow": templateOf(columns, 0) }) as CSSProperties, [columns]);
  const height = cards ? CARD : ROW;
  const scroller = useRef<HTMLDivElement>(null);
  const anchor = useRef<number | null>(null);
  const { start, end } = useWindow(scroller, ids.length, height);
  const [focused, setFocused] = useState<string | null>(null);
  const focusedAt = Math.max(0, focused === null ? 0 : ids.indexOf(focused));

  const focus = (index: number) => {
    const at = Math.max(0, Math.min(ids.length - 1, index));
    const element = scroller.current;
    setFocused(ids[at] ?? null);
    if (!element) return;
    if (at * height < element.scrollTop) element.scrollTop = at * height;
    if ((at + 1) * height + HEAD > element.scrollTop + element.clientHeight) element.scrollTop = (at + 1) * height + HEAD - element.clientHeight;
    requestAnimationFrame(() => element.querySelector<HTMLElement>(`[data-index="${at}"]`)?.focus({ preventScroll: true }));
  };
  const toggle = (index: number, range: boolean) => {
    const next = new Set(selected);
    const id = ids[index];
    if (!id || isHead(id)) return;
    const on = !next.has(id);
    const [from, to] = range && anchor.current !== null ? [Math.min(anchor.current, index), Math.max(anchor.current, index)] : [index, index];
    for (const one of ids.slice(from, to + 1)) if (isHead(one)) continue; else if (on) next.add(one); else next.delete(one);
    anchor.current = index;
    onSelect(next);
  };
  const keys = (event: KeyboardEvent<HTMLElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof HTMLElement) || !event.target.dataset.index) return;
    const index = Number(event.target.dataset.index);
    const moves: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, j: index + 1, k: index - 1, Home: 0, End: ids.length - 1, PageDown: index + 10, PageUp: index - 10 };
    const move = moves[event.key];
    const id = ids[index] ?? "";
    if (move !== undefined) focus(move);
    else if (isHead(id) && (event.key === "Enter" || event.key === " ")) toggleGroup(readHead(id).key);
    else if (event.key === " ") toggle(index, event.shiftKey);
    else if (event.key === "?") onHelp();
    else if (!single(event.key, id)) return;
    event.preventDefault();
  };
  const all = selected.size > 0 && selected.size === real.length;
  return (
    <div className="panel ctable" data-cards={cards || undefined} role="grid" aria-label={t("nav.containers")} aria-rowcount={ids.length + 1} aria-multiselectable="true" style={widths} data-testid="containers-table">
      <div className="ctable-scroll" ref={scroller} role="presentation" onKeyDown={keys}>
        {!cards && (
        <div role="rowgroup" className="ctable-sticky">
          <div className="ctable-grid ctable-head" role="row" aria-rowindex={1}>
            <div role="columnheader" className="c-check">
              <input type="checkbox" aria-label={t("bulk.all")} checked={all} ref={(box) => { if (box) box.indeterminate = selected.size > 0 && !all; }} onChange={() => onSelect(all ? new Set() : new Set(real))} data-testid="select-all" />
            </div>
            <Heading sortKey="state" label="col.state" className="c-state" sort={sort} onSort={onSort} />
            <Heading sortKey="name" label="col.name" className="c-name" sort={sort} onSort={onSort} />
            {columns.map(({ id, sortKey, label, needs }) => <Heading key={id} sortKey={sortKey} label={label} className={`c-${id} needs-${needs}`} sort={sort} onSort={onSort} />)}
            <Heading sortKey={null} label="col.actions" className="c-actions" sort={sort} onSort={onSort} />
          </div>
        </div>
      )}
        <div role="rowgroup" style={{ height: ids.length * height, position: "relative" }}>
          {ids.slice(start, end).map((id, i) => {
            const place = { id, index: start + i, top: (start + i) * height, height, tabbable: start + i === focusedAt || (i === 0 && (focusedAt < start || focusedAt >= end)), onFocus: setFocused };
            if (isHead(id)) return <GroupHead key={id} {...place} />;
            return <Row key={id} {...place} columns={shown} card={cards ?? false} selected={selected.has(id)} onToggle={toggle} />;
          })}
        </div>
      </div>
    </div>
  );
}

/** One key on the focused row; false when it means nothing here. */
function single(key: string, id: string): boolean {
  const row = containers.get(id);
  if (!row) return false;
  const page = `/containers/${id.slice(0, 12)}`;
  const table: Record<string, () => unknown> = {
    s: () => act(can("stop", row) ? "stop" : "start", [id]),
    r: () => act("restart", [id]),
    p: () => act(row.State === "paused" ? "unpause" : "pause", [id]),
    d: () => act("remove", [id]),
    l: () => go(`${page}/logs`),
    e: () => go(`${page}/terminal`),
    Enter: () => go(page),
  };
  const found = table[key];
  if (found) void found();
  return found !== undefined;
}

function Heading({ sortKey, label, className, sort, onSort }: { sortKey: SortKey | null; label: Key; className: string; sort: Sort; onSort(sort: Sort): void }) {
  if (!sortKey) return <div role="columnheader" className={className}>{t(label)}</div>;
  const on = sort.key === sortKey;
  const downFirst = sortKey === "created" || sortKey === "cpu" || sortKey === "mem";
  return (
    <div role="columnheader" className={className} aria-sort={on ? (sort.down ? "descending" : "ascending") : "none"}>
      <button type="button" className="ctable-sort" data-on={on || undefined} onClick={() => onSort({ key: sortKey, down: on ? !sort.down : downFirst })}>
        {t(label)} {on && (sort.down ? <IconChevronDown size={13} /> : <IconChevronUp size={13} />)}
      </button>
    </div>
  );
}
