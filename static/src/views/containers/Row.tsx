/** One container in the list. It listens to its own row only. */
import { Menu } from "@mantine/core";
import { type ButtonHTMLAttributes, memo, type MouseEvent, useState } from "react";
import { useNow } from "../../core/clock";
import { type ContainerRow, nameOf, type Port, portLink, publishedPorts } from "../../core/docker";
import { ago, bytes, dateTime, percent, shortId } from "../../core/format";
import { t } from "../../core/i18n";
import { containers, usage } from "../../core/live";
import { go, Link } from "../../core/router";
import { useRow } from "../../core/store";
import { useUsage } from "../../core/usage";
import { IconCode, IconDots, IconLogs, IconTerminal } from "../../ui/icons";
import { Sparkline } from "../../ui/Sparkline";
import { StateBadge } from "../../ui/StateBadge";
import { VerbIcon } from "../../ui/VerbIcon";
import { act, can, pending, type Verb, verbsFor } from "./actions";

interface Props {
  id: string;
  index: number;
  top: number;
  height: number;
  card: boolean;
  tabbable: boolean;
  selected: boolean;
  onToggle(index: number, range: boolean): void;
  onFocus(id: string): void;
}

export const Row = memo(function Row({ id, index, top, height, card, tabbable, selected, onToggle, onFocus }: Props) {
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
  const image = <div role="gridcell" className="c-image nowrap" title={row.Image}>{row.Image}</div>;
  const state = <div role="gridcell" className="c-state"><StateBadge row={row} /></div>;
  const ports = <div role="gridcell" className="c-ports"><Ports row={row} /></div>;
  const actions = <div role="gridcell" className="c-actions"><Actions row={row} /></div>;
  if (card) {
    return (
      <div className="ctable-row ctable-card" {...frame}>
        <div className="card-line" role="presentation">{check}{title}{state}</div>
        <div className="card-line" role="presentation">{image}</div>
        <div className="card-line" role="presentation">{ports}<Load id={id} /></div>
        <div className="card-line" role="presentation">{actions}<Created row={row} /></div>
      </div>
    );
  }
  return (
    <div className="ctable-row ctable-grid" {...frame}>
      {check}{state}{title}{image}{ports}<Created row={row} /><Load id={id} />{actions}
    </div>
  );
});

function Created({ row }: { row: ContainerRow }) {
  return <div role="gridcell" className="c-created dim" title={dateTime(row.Created * 1000)}>{ago(row.Created * 1000, useNow())}</div>;
}

function Load({ id }: { id: string }) {
  const point = useUsage(usage, id);
  if (!point) {
    return <><div role="gridcell" className="c-cpu dim none">–</div><div role="gridcell" className="c-mem dim none">–</div></>;
  }
  const history = usage.history(id);
  return (
    <>
      <div role="gridcell" className="c-cpu" data-testid="cpu">
        <Sparkline values={history.slice(-60).map((one) => one.cpu)} atLeast={10} />
        <span className="tabular">{percent(point.cpu)}</span>
      </div>
      <div role="gridcell" className="c-mem" data-testid="mem" title={point.limit ? `${bytes(point.mem)} / ${bytes(point.limit)}` : undefined}>
        <Sparkline values={history.slice(-60).map((one) => one.mem)} atLeast={8 * 1024 ** 2} tone="mem" />
        <span className="tabular">{bytes(point.mem)}</span>
      </div>
    </>
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
  const button = (verb: Verb) => (
    <IconButton label={t(`verb.${verb}`)} name={name} disabled={!!under || !can(verb, row)} onClick={() => void act(verb, [row.Id])} data-testid={`act-${verb}`}>
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
        <Menu.Item leftSection={<IconTerminal size={16} />} disabled={row.State !== "running"} onClick={() => go(`${page}/terminal`)}>{t("tab.terminal")}</Menu.Item>
        <Menu.Item leftSection={<IconCode size={16} />} onClick={() => go(`${page}/inspect`)}>{t("tab.inspect")}</Menu.Item>
        <Menu.Divider />
        {verbsFor(row).filter((verb) => verb !== main && verb !== "restart").map((verb) => (
          <Menu.Item key={verb} className={verb === "remove" ? "menu-danger" : undefined} leftSection={<VerbIcon verb={verb} />} disabled={disabled} onClick={() => void act(verb, [row.Id])} data-testid={`act-${verb}`}>
            {t(`verb.${verb}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
