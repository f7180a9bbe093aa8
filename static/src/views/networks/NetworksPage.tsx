/** The networks of this host, with the containers in them and their addresses. */
import { ActionIcon, Alert, Button, SegmentedControl, Skeleton, Text, TextInput } from "@mantine/core";
import { useMemo } from "react";
import { useNow } from "../../core/clock";
import type { ContainerRow, NetworkRow } from "../../core/docker";
import { ago, dateTime } from "../../core/format";
import { t } from "../../core/i18n";
import { useListed } from "../../core/listed";
import { containers } from "../../core/live";
import { setQuery, usePlace } from "../../core/router";
import { useRows } from "../../core/store";
import { IconFilter, IconPlus, IconTrash } from "../../ui/icons";
import { removeResource } from "../../ui/removeResource";
import { type Column, ResourceTable, UsedBy } from "../../ui/ResourceTable";
import { wordsOf } from "../../ui/toast";
import { CreateNetwork } from "./CreateNetwork";
import { Graph } from "./Graph";
import { PortsTable } from "./PortsTable";
import { ReachPanel } from "./ReachPanel";
import "../containers/containers.css";
import "../files/files.css";
import "../operations/operations.css";
import "./networks.css";

/** Every engine has these, and refuses to remove them. */
const BUILT_IN = new Set(["bridge", "host", "none"]);

export function NetworksPage() {
  const { query } = usePlace();
  const text = query.get("q") ?? "";
  const view = query.get("view") ?? "table";
  const { found, error } = useListed<NetworkRow[]>("/networks", "network");
  const columns = columnsOf(useMembers(), useNow());
  const shown = useMemo(() => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (found ?? [])
      .filter((row) => wanted.every((word) => `${row.Name} ${row.Driver} ${subnetsOf(row)} ${row.Id}`.toLowerCase().includes(word)))
      .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }, [found, text]);
  return (
    <div className="page resources-page">
      <div className="page-head">
        <h1>{t("nav.networks")}</h1>
        {found && <Text size="sm" c="dimmed">{t("networks.total", { n: found.length })}</Text>}
        <div className="spread">
          <Button leftSection={<IconPlus size={16} />} onClick={() => setQuery({ new: "1" }, { replace: false })} data-testid="network-create">{t("networks.create")}</Button>
        </div>
      </div>
      <TextInput className="resources-filter" value={text} onChange={(event) => setQuery({ q: event.currentTarget.value })} placeholder={t("networks.filter")} aria-label={t("networks.filter")} leftSection={<IconFilter size={16} />} data-testid="networks-filter" />
      {error !== null && <Alert color="red" title={t("networks.failed")}>{wordsOf(error)}</Alert>}
      <SegmentedControl size="xs" aria-label={t("nav.networks")} value={view} onChange={(next) => setQuery({ view: next === "table" ? null : next })} data={[{ value: "table", label: t("view.table") }, { value: "graph", label: t("view.graph") }, { value: "ports", label: t("ports.title") }]} style={{ alignSelf: "flex-start" }} data-testid="networks-view" />
      {view === "ports" ? <PortsTable /> : view === "graph" ? <Graph networks={found ?? []} /> : !found ? error === null && <div className="panel containers-loading" aria-label={t("loading")}><Skeleton height={18} width="70%" /></div>
        : shown.length === 0 ? <div className="panel empty"><h2>{t("networks.nomatch")}</h2></div>
          : <ResourceTable label={t("nav.networks")} kind="network" rows={shown} columns={columns} nameOf={(row) => row.Name} actions={(row) => !BUILT_IN.has(row.Name) && <Remove row={row} />} />}
      {found && <ReachPanel networks={found} />}
      {query.get("new") && <CreateNetwork />}
    </div>
  );
}

function columnsOf(members: Map<string, ContainerRow[]>, now: number): Column<NetworkRow>[] {
  return [
    { title: t("resource.name"), cell: (row) => <span title={row.Name}>{row.Name}</span> },
    { title: t("volumes.driver"), className: "r-wide", cell: (row) => row.Driver },
    { title: t("networks.subnet"), className: "r-middle", cell: (row) => <span className="mono">{subnetsOf(row)}</span> },
    { title: t("networks.internal"), className: "r-wide", cell: (row) => (row.Internal ? t("yes") : t("no")) },
    { title: t("col.created"), className: "r-wide", cell: (row) => <span className="dim" title={dateTime(row.Created)}>{ago(Date.parse(row.Created), now)}</span> },
    { title: t("networks.containers"), cell: (row) => <UsedBy users={members.get(row.Name) ?? []} note={(one) => addressIn(one, row)} /> },
  ];
}

function Remove({ row }: { row: NetworkRow }) {
  const remove = () => removeResource({ path: `/networks/${row.Id}`, name: row.Name, body: t("networks.remove.body"), confirm: t("networks.remove") });
  return <ActionIcon variant="subtle" color="gray" aria-label={`${t("networks.remove")} ${row.Name}`} onClick={() => void remove()} data-testid="network-remove"><IconTrash size={16} /></ActionIcon>;
}

function subnetsOf(row: NetworkRow): string {
  return (row.IPAM?.Config ?? []).map((one) => one.Subnet).filter(Boolean).join(", ");
}

function addressIn(container: ContainerRow, network: NetworkRow): string {
  return container.NetworkSettings?.Networks?.[network.Name]?.IPAddress ?? "";
}

function useMembers(): Map<string, ContainerRow[]> {
  const rows = useRows(containers);
  return useMemo(() => {
    const members = new Map<string, ContainerRow[]>();
    for (const row of rows) {
      for (const name of Object.keys(row.NetworkSettings?.Networks ?? {})) members.set(name, [...(members.get(name) ?? []), row]);
    }
    return members;
  }, [rows]);
}
