/** One container in the list. It listens to its own row only. */
import { Menu } from "@mantine/core";
import { type ButtonHTMLAttributes, Fragment, memo, type MouseEvent, useState } from "react";
import { useNow } from "../../core/clock";
import { type ContainerRow, nameOf, type Port, portLink, publishedPorts } from "../../core/docker";
import { ago, bytes, dateTime, percent, shortId } from "../../core/format";
import { t } from "../../core/i18n";
import { containers, usage } from "../../core/live";
import { may } from "../../core/rights";
import { go, Link } from "../../core/router";
import { session } from "../../core/session";
import { useRow, useValue } from "../../core/store";
import { useUsage } from "../../core/usage";
import { IconCode, IconDots, IconLogs, IconTerminal } from "../../ui/icons";
import { Sparkline } from "../../ui/Sparkline";
import { StateBadge } from "../../ui/StateBadge";
import { VerbIcon } from "../../ui/VerbIcon";
import { act, can, pending, rightFor, type Verb, verbsFor } from "./actions";
import type { ColumnId } from "./columns";
import { stackOf } from "./grouping";

interface Props {
  id: string;
  index: number;
  top: number;
  height: number;
  card: boolean;
  columns: readonly ColumnId[];
  tabbable: boolean;
  selected: boolean;
  onToggle(index: number, range: boolean): void;
  onFocus(id: string): void;
}

export const Row = memo(function Row({ id, index, top, height, card, columns, tabbable, selected, onToggle, onFocus }: Props) {
  const row = useRow(containers, id);
  if (!row) return null;
  const name = nameOf(row);
  const page = `/containers/${shortId(id)}`;
  const open = (event: MouseEvent<HTMLElement>) => {
    if (event.target instanceof HTMLElement && !event.target.closest("a,button,input,label,[role=menu]")) go(page);
  };
  const check = (
    <div role="gridcell" className="c-check">
      <input type="checkbox" aria-label={t("bulk.select", { name })} checked={selected} tabIndex={-1} onChange={() => undefined} onClick={(event) => onToggle(index, event.shiftKey)} data-testid="row-select" />
    </div>
  );
  const frame = {
    role: "row", tabIndex: tabbable ? 0 : -1, "aria-rowindex": index + 2, "aria-selected": selected, "data-index": index,
    "data-testid": "container-row", "data-id": id, "data-name": name, onFocus: () => onFocus(id), onDoubleClick: open,
    style: { height, transform: `translateY(${top}px)` },
  };
  const title = (
    <div role="gridcell" className="c-name">
      <Link href={page} className="row-name nowrap" tabIndex={-1} title={name}>{name}</Link>
      <span className="row-id mono">{shortId(id)}</span>
    </div>
  );
  const image = <div role="gridcell" className="c-image needs-0 nowrap" title={row.Image}>{row.Image}</div>;
  const state = <div role="gridcell" className="c-state"><StateBadge row={row} /></div>;
  const ports = <div role="gridcell" className="c-ports needs-1"><Ports row={row} /></div>;
  const actions = <div role="gridcell" className="c-actions"><Actions row={row} /></div>;
  if (card) {
    return (
      <div className="ctable-row ctable-card" {...frame}>
        <div className="card-line" role="presentation">{check}{title}{state}</div>
        <div className="card-line" role="presentation">{image}</div>
        <div className="card-line" role="presentation">{ports}<Load id={id} of="cpu" /><Load id={id} of="mem" /></div>
        <div className="card-line" role="presentation">{actions}<Created row={row} /></div>
      </div>
    );
  }
  return (
    <div className="ctable-row ctable-grid" {...frame}>
      {check}{state}{title}
      {columns.map((column) => (column === "image" ? <Fragment key={column}>{image}</Fragment> : column === "ports" ? <Fragment key={column}>{ports}</Fragment> : <Cell key={column} row={row} column={column} />))}
      {actions}
    </div>
  );
});

function Created({ row }: { row: ContainerRow }) {
  return <div role="gridcell" className="c-created needs-2 dim" title={dateTime(row.Created * 1000)}>{ago(row.Created * 1000, useNow())}</div>;
}

function Cell({ row, column }: { row: ContainerRow; column: ColumnId }) {
  if (column === "cpu" || column === "mem") return <Load id={row.Id} of={column} />;
  if (column === "net") return <Net id={row.Id} />;
  if (column === "created") return <Created row={row} />;
  const text = column === "stack" ? stackOf(row) : column === "command" ? row.Command : column === "status" ? row.Status : Object.keys(row.NetworkSettings?.Networks ?? {}).join(", ");
  return <div role="gridcell" className={`c-text nowrap dim needs-${column === "stack" ? 1 : 2}`} title={text}>{text || "–"}</div>;
}

/** Bytes a second in both directions, from the last two samples. */
function Net({ id }: { id: string }) {
  const point = useUsage(usage, id);
  const [before, now] = usage.history(id).slice(-2);
  if (!point || !before || !now || now.at <= before.at) return <div role="gridcell" className="c-net needs-1 dim">–</div>;
  const rate = (key: "rx" | "tx") => bytes(Math.max(0, now[key] - before[key]) / ((now.at - before.at) / 1000));
  return <div role="gridcell" className="c-net needs-1 tabular"><span>↓ {rate("rx")}</span><span>↑ {rate("tx")}</span></div>;
}

function Load({ id, of }: { id: string; of: "cpu" | "mem" }) {
  const point = useUsage(usage, id);
  if (!point) return <div role="gridcell" className={`c-${of} needs-0 dim none`}>–</div>;
  const values = usage.history(id).slice(-60).map((one) => one[of]);
  const title = of === "mem" && point.limit ? `${bytes(point.mem)} / ${bytes(point.limit)}` : undefined;
  return (
    <div role="gridcell" className={`c-${of} needs-0`} data-testid={of} title={title}>
      <Sparkline values={values} atLeast={of === "cpu" ? 10 : 8 * 1024 ** 2} tone={of} />
      <span className="tabular">{of === "cpu" ? percent(point.cpu) : bytes(point.mem)}</span>
    </div>
  );
}

const SHOWN_PORTS = 2;

function Ports({ row }: { row: ContainerRow }) {
  const ports = publishedPorts(row.Ports);
  if (!ports.length) return <span className="dim none">–</span>;
  const rest = ports.slice(SHOWN_PORTS);
  return (
    <>
      {ports.slice(0, SHOWN_PORTS).map((port) => <PortLink key={`${port.PublicPort}${port.Type}${port.PrivatePort}`} port={port} />)}
      {rest.length > 0 && <span className="dim tabular" title={rest.map(portText).join("  ")}>+{rest.length}</span>}
    </>
  );
}

export function portText(port: Port): string {
  return `${port.PublicPort ?? ""}→${port.PrivatePort}${port.Type === "udp" ? "/udp" : ""}`;
}

export function PortLink({ port }: { port: Port }) {
  const link = portLink(port, window.location.hostname);
  if (!link) return <span className="port mono">{portText(port)}</span>;
  return <a className="port mono" href={link} target="_blank" rel="noreferrer noopener" title={link} tabIndex={-1} data-testid="port-link">{portText(port)}</a>;
}

/** A plain button: hundreds of them come and go while the list scrolls. */
function IconButton({ label, name, ...rest }: ButtonHTMLAttributes<HTMLButtonElement> & { label: string; name: string }) {
  return <button type="button" className="icon-button" tabIndex={-1} title={label} aria-label={`${label} ${name}`} {...rest} />;
}

function Actions({ row }: { row: ContainerRow }) {
  const under = useRow(pending, row.Id);
  const main: Verb = can("stop", row) ? "stop" : "start";
  const name = nameOf(row);
  useValue(session);
  const button = (verb: Verb) => (
    <IconButton label={t(`verb.${verb}`)} name={name} disabled={!!under || !can(verb, row) || !may(rightFor(verb))} onClick={() => void act(verb, [row.Id])} data-testid={`act-${verb}`}>
      <VerbIcon verb={verb} />
    </IconButton>
  );
  return (
    <>
      {button(main)}
      {button("restart")}
      <IconButton label={t("tab.logs")} name={name} onClick={() => go(`/containers/${shortId(row.Id)}/logs`)} data-testid="act-logs"><IconLogs size={16} /></IconButton>
      <More row={row} main={main} disabled={!!under} />
    </>
  );
}

/** The menu is made when it is first asked for. */
function More({ row, main, disabled }: { row: ContainerRow; main: Verb; disabled: boolean }) {
  const [opened, setOpened] = useState<boolean | null>(null);
  const page = `/containers/${shortId(row.Id)}`;
  const more = { label: t("more"), name: nameOf(row), "data-testid": "act-more" };
  if (opened === null) return <IconButton {...more} aria-haspopup="menu" onClick={() => setOpened(true)}><IconDots size={16} /></IconButton>;
  return (
    <Menu width={200} opened={opened} onChange={setOpened}>
      <Menu.Target><IconButton {...more}><IconDots size={16} /></IconButton></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconTerminal size={16} />} disabled={row.State !== "running" || !may("operate")} onClick={() => go(`${page}/terminal`)}>{t("tab.terminal")}</Menu.Item>
        <Menu.Item leftSection={<IconCode size={16} />} onClick={() => go(`${page}/inspect`)}>{t("tab.inspect")}</Menu.Item>
        <Menu.Divider />
        {verbsFor(row).filter((verb) => verb !== main && verb !== "restart" && may(rightFor(verb))).map((verb) => (
          <Menu.Item key={verb} className={verb === "remove" ? "menu-danger" : undefined} leftSection={<VerbIcon verb={verb} />} disabled={disabled} onClick={() => void act(verb, [row.Id])} data-testid={`act-${verb}`}>
            {t(`verb.${verb}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
