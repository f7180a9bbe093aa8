/** One container: its state above, its tabs below, each with an address of its own. */
import { Button, Group, Menu, Skeleton, Tabs } from "@mantine/core";
import { type ComponentType, lazy, Suspense, useEffect, useRef } from "react";
import { type ContainerRow, nameOf, publishedPorts } from "../../core/docker";
import { shortId } from "../../core/format";
import { type Key, t } from "../../core/i18n";
import { containers, watchUsage } from "../../core/live";
import { may, type Right } from "../../core/rights";
import { go, Link } from "../../core/router";
import { useReady, useRow, useRows } from "../../core/store";
import { CopyButton } from "../../ui/copy";
import { IconChart, IconChevronDown, IconChevronLeft, IconClock, IconCode, IconDisk, IconInfo, IconList, IconLogs, IconStack, IconTerminal } from "../../ui/icons";
import { StateBadge } from "../../ui/StateBadge";
import { VerbIcon } from "../../ui/VerbIcon";
import { act, can, pending, rightFor, type Verb, verbsFor } from "../containers/actions";
import { PortLink } from "../containers/Row";
import { ChangesTab } from "./ChangesTab";
import { HistoryTab } from "./HistoryTab";
import { InspectTab } from "./InspectTab";
import { LogsTab } from "./LogsTab";
import { MoreDialogs, MoreItems } from "./more";
import { OverviewTab } from "./OverviewTab";
import { ProcessesTab } from "./ProcessesTab";
import "../containers/containers.css";
import "./container.css";

const TerminalTab = lazy(() => import("./TerminalTab").then((module) => ({ default: module.TerminalTab })));
const FilesTab = lazy(() => import("./FilesTab").then((module) => ({ default: module.FilesTab })));
const StatsTab = lazy(() => import("./StatsTab").then((module) => ({ default: module.StatsTab })));

export interface TabProps {
  row: ContainerRow;
}
const TABS: { id: string; label: Key; icon: ComponentType<{ size?: number }>; page: ComponentType<TabProps>; right?: Right }[] = [
  { id: "overview", label: "tab.overview", icon: IconInfo, page: OverviewTab },
  { id: "logs", label: "tab.logs", icon: IconLogs, page: LogsTab },
  { id: "terminal", label: "tab.terminal", icon: IconTerminal, page: TerminalTab, right: "operate" },
  { id: "stats", label: "tab.stats", icon: IconChart, page: StatsTab },
  { id: "files", label: "tab.files", icon: IconStack, page: FilesTab, right: "operate" },
  { id: "processes", label: "tab.processes", icon: IconList, page: ProcessesTab },
  { id: "changes", label: "tab.changes", icon: IconDisk, page: ChangesTab },
  { id: "history", label: "tab.history", icon: IconClock, page: HistoryTab },
  { id: "inspect", label: "tab.inspect", icon: IconCode, page: InspectTab },
];

/** `id` is a full id, the start of one, or a name. */
function useContainer(id: string): ContainerRow | undefined {
  const rows = useRows(containers);
  return rows.find((row) => row.Id === id || nameOf(row) === id) ?? (/^[0-9a-f]{6,}$/.test(id) ? rows.find((row) => row.Id.startsWith(id)) : undefined);
}

export function ContainerPage({ id, tab }: { id: string; tab: string }) {
  const found = useContainer(id);
  const ready = useReady(containers);
  const last = useRef<ContainerRow | undefined>(undefined);
  if (found) last.current = found;
  useEffect(watchUsage, []);
  const name = found ? nameOf(found) : null;
  useEffect(() => {
    if (!name) return;
    document.title = `${name} · Berth`;
    return () => void (document.title = "Berth");
  }, [name]);
  if (!found) {
    if (!ready) return <div className="page"><Skeleton height={28} width={320} role="status" aria-label={t("loading")} /><Skeleton height={200} /></div>;
     
    const gone = last.current;
    return (
      <div className="page"><div className="panel empty" data-testid="container-gone">
        <h2>{gone ? t("container.gone", { name: nameOf(gone) }) : t("container.unknown", { id })}</h2>
        <Button variant="default" onClick={() => go("/containers")}>{t("nav.containers")}</Button>
      </div></div>
    );
  }
  const tabs = TABS.filter((one) => !one.right || may(one.right));
  const current = tabs.find((one) => one.id === tab) ?? tabs[0];
  const Page = current?.page;
  return (
    <div className="page container-page" data-tab={current?.id}>
      <Head row={found} />
      <MoreDialogs />
      <Tabs value={current?.id ?? "overview"} onChange={(next) => next && go(`/containers/${encodeURIComponent(id)}${next === "overview" ? "" : `/${next}`}`)} keepMounted={false} className="container-tabs">
        <Tabs.List aria-label={t("container.tabs")}>
          {tabs.map(({ id: one, label, icon: Icon }) => <Tabs.Tab key={one} value={one} leftSection={<Icon size={16} />} data-testid={`tab-${one}`}>{t(label)}</Tabs.Tab>)}
        </Tabs.List>
        <Tabs.Panel value={current?.id ?? "overview"} className="container-panel">
          <Suspense fallback={<Skeleton height={240} mt="md" role="status" aria-label={t("loading")} />}>{Page && <Page row={found} key={found.Id} />}</Suspense>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function Head({ row }: { row: ContainerRow }) {
  const ports = publishedPorts(row.Ports);
  return (
    <div className="container-head">
      <Link href="/containers" className="back" aria-label={t("back.containers")}><IconChevronLeft size={20} /></Link>
      <div className="container-title">
        <h1 className="nowrap">{nameOf(row)}</h1>
        <span className="container-sub"><span className="nowrap">{row.Image}</span> <span className="mono dim">{shortId(row.Id)}</span><CopyButton text={row.Id} label={t("images.copyid")} /></span>
      </div>
      <StateBadge row={row} />
      <span className="container-ports">{ports.slice(0, 4).map((port) => <PortLink key={`${port.PublicPort}${port.Type}`} port={port} />)}</span>
      <Actions row={row} />
    </div>
  );
}

function Actions({ row }: { row: ContainerRow }) {
  const under = useRow(pending, row.Id);
  const main: Verb[] = can("stop", row) ? ["stop", "restart"] : ["start", "remove"];
  return (
    <Group gap={8} className="container-actions" wrap="nowrap">
      {main.filter((verb) => may(rightFor(verb))).map((verb) => (
        <Button key={verb} variant="default" size="sm" leftSection={<VerbIcon verb={verb} />} disabled={!!under || !can(verb, row)} onClick={() => void act(verb, [row.Id])} data-testid={`act-${verb}`}>{t(`verb.${verb}`)}</Button>
      ))}
      <Menu width={220}>
        <Menu.Target><Button variant="default" size="sm" px={9} aria-label={t("more")} data-testid="act-more"><IconChevronDown size={16} /></Button></Menu.Target>
        <Menu.Dropdown>
          <MoreItems row={row} />
          {verbsFor(row).filter((verb) => !main.includes(verb) && may(rightFor(verb))).map((verb) => (
            <Menu.Item key={verb} className={verb === "remove" ? "menu-danger" : undefined} leftSection={<VerbIcon verb={verb} />} disabled={!!under} onClick={() => void act(verb, [row.Id])} data-testid={`act-${verb}`}>{t(`verb.${verb}`)}</Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
