/** The table of a page of resources: a head, and as many rows as are in sight. */
import { Menu } from "@mantine/core";
import { type ReactNode, useRef } from "react";
import { type ContainerRow, nameOf } from "../core/docker";
import { shortId } from "../core/format";
import { t } from "../core/i18n";
import { go, Link } from "../core/router";
import { useWindow } from "./virtual";
import "./resources.css";

const ROW = 54;

export interface Column<T> {
  title: string;
  /** A class of the cell; `r-wide` leaves it out on narrow screens, `r-middle` on phones. */
  className?: string;
  cell(row: T): ReactNode;
}
interface Props<T> {
  label: string;
  kind: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  actions(row: T): ReactNode;
  nameOf(row: T): string;
}

export function ResourceTable<T>({ label, kind, rows, columns, actions, nameOf: named }: Props<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const { start, end } = useWindow(scroller, rows.length, ROW);
  return (
    <div className="panel rtable" role="table" aria-label={label} aria-rowcount={rows.length + 1} data-kind={kind} data-testid={`${kind}s-table`}>
      <div className="ctable-scroll" ref={scroller} role="presentation">
        <div role="rowgroup" className="ctable-sticky">
          <div className="rtable-grid rtable-head" role="row" aria-rowindex={1}>
            {columns.map((column) => <div key={column.title} role="columnheader" className={column.className}>{column.title}</div>)}
            <div role="columnheader"><span className="visually-hidden">{t("col.actions")}</span></div>
          </div>
        </div>
        <div role="rowgroup" style={{ height: rows.length * ROW, position: "relative" }}>
          {rows.slice(start, end).map((row, i) => (
            <div key={named(row)} className="rtable-grid rtable-row" role="row" aria-rowindex={start + i + 2} style={{ transform: `translateY(${(start + i) * ROW}px)`, height: ROW }} data-testid={`${kind}-row`} data-name={named(row)}>
              {columns.map((column) => <div key={column.title} role="cell" className={column.className}>{column.cell(row)}</div>)}
              <div role="cell" className="c-actions">{actions(row)}</div>
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

/** Links to the containers that use something; `note` says more about one. */
export function UsedBy({ users, note }: { users: readonly ContainerRow[]; note?(row: ContainerRow): string }) {
  const first = users[0];
  if (!first) return <span className="dim">{t("images.unused")}</span>;
  const words = (row: ContainerRow) => [nameOf(row), note?.(row)].filter(Boolean).join(" · ");
  if (users.length === 1) return <Link href={`/containers/${shortId(first.Id)}`} className="r-link" title={words(first)}>{words(first)}</Link>;
  return (
    <Menu width={280}>
      <Menu.Target><button type="button" className="r-link plain">{t("images.users", { n: users.length })}</button></Menu.Target>
      <Menu.Dropdown mah={320} style={{ overflow: "auto" }}>
        {users.map((one) => <Menu.Item key={one.Id} onClick={() => go(`/containers/${shortId(one.Id)}`)}>{words(one)}</Menu.Item>)}
      </Menu.Dropdown>
    </Menu>
  );
}
