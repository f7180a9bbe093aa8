/** The volumes of this host, with who uses them; how big they are is measured when asked. */
import { ActionIcon, Alert, Button, Skeleton, Text, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import { engine } from "../../core/api";
import { useNow } from "../../core/clock";
import type { ContainerRow, VolumeRow } from "../../core/docker";
import { ago, bytes, dateTime } from "../../core/format";
import { t } from "../../core/i18n";
import { useListed } from "../../core/listed";
import { containers, HOST } from "../../core/live";
import { setQuery, usePlace } from "../../core/router";
import { useRows } from "../../core/store";
import { IconDisk, IconFilter, IconPlus, IconTrash } from "../../ui/icons";
import { removeResource } from "../../ui/removeResource";
import { type Column, ResourceTable, UsedBy } from "../../ui/ResourceTable";
import { toastError, wordsOf } from "../../ui/toast";
import { CreateVolume } from "./CreateVolume";

export function VolumesPage() {
  const { query } = usePlace();
  const text = query.get("q") ?? "";
  const { found, error } = useListed<{ Volumes: VolumeRow[] | null }>("/volumes", "volume");
  const rows = useMemo(() => found?.Volumes ?? [], [found]);
  const users = useUsers();
  const sizes = useSizes();
  const now = useNow();
  const columns = columnsOf(users, sizes.of, now);
  const shown = useMemo(() => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    return rows
      .filter((row) => wanted.every((word) => `${row.Name} ${row.Driver} ${labelsOf(row)}`.toLowerCase().includes(word)))
      .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }, [rows, text]);
  return (
    <div className="page resources-page">
      <div className="page-head">
        <h1>{t("nav.volumes")}</h1>
        {found && <Text size="sm" c="dimmed">{t("volumes.total", { n: rows.length })}</Text>}
        <div className="spread">
          <Button variant="default" leftSection={<IconDisk size={16} />} loading={sizes.busy} onClick={sizes.measure} data-testid="volumes-measure">{t("volumes.sizes")}</Button>
          <Button leftSection={<IconPlus size={16} />} onClick={() => setQuery({ new: "1" }, { replace: false })} data-testid="volume-create">{t("volumes.create")}</Button>
        </div>
      </div>
      <TextInput className="resources-filter" value={text} onChange={(event) => setQuery({ q: event.currentTarget.value })} placeholder={t("volumes.filter")} aria-label={t("volumes.filter")} leftSection={<IconFilter size={16} />} data-testid="volumes-filter" />
      {error !== null && <Alert color="red" title={t("volumes.failed")}>{wordsOf(error)}</Alert>}
      {!found ? error === null && <div className="panel containers-loading" aria-label={t("loading")}><Skeleton height={18} width="70%" /></div>
        : shown.length === 0 ? <div className="panel empty"><h2>{rows.length ? t("volumes.nomatch") : t("volumes.none")}</h2></div>
          : <ResourceTable label={t("nav.volumes")} kind="volume" rows={shown} columns={columns} nameOf={(row) => row.Name} actions={(row) => <Remove name={row.Name} />} />}
      {query.get("new") && <CreateVolume />}
    </div>
  );
}

function columnsOf(users: Map<string, ContainerRow[]>, sizes: Map<string, number>, now: number): Column<VolumeRow>[] {
  return [
    { title: t("resource.name"), cell: (row) => <span className="mono" title={row.Name}>{row.Name}</span> },
    { title: t("volumes.driver"), className: "r-wide", cell: (row) => row.Driver },
    { title: t("over.labels"), className: "r-wide", cell: (row) => <span className="dim" title={labelsOf(row)}>{labelsOf(row)}</span> },
    { title: t("col.created"), className: "r-wide", cell: (row) => <Created at={row.CreatedAt} now={now} /> },
    { title: t("images.size"), className: "r-middle", cell: (row) => <Size bytes={sizes.get(row.Name)} /> },
    { title: t("images.usedby"), cell: (row) => <UsedBy users={users.get(row.Name) ?? []} /> },
  ];
}

function Created({ at, now }: { at: string | undefined; now: number }) {
  return at ? <span className="dim" title={dateTime(at)}>{ago(Date.parse(at), now)}</span> : null;
}

function Size({ bytes: size }: { bytes: number | undefined }) {
  return size === undefined || size < 0 ? <span className="dim">{t("volumes.unmeasured")}</span> : <span className="tabular">{bytes(size)}</span>;
}

function Remove({ name }: { name: string }) {
  const remove = () => removeResource({ path: `/volumes/${encodeURIComponent(name)}`, name, body: t("volumes.remove.body"), confirm: t("volumes.remove") });
  return <ActionIcon variant="subtle" color="gray" aria-label={`${t("volumes.remove")} ${name}`} onClick={() => void remove()} data-testid="volume-remove"><IconTrash size={16} /></ActionIcon>;
}

function labelsOf(row: VolumeRow): string {
  return Object.entries(row.Labels ?? {}).map(([key, value]) => (value ? `${key}=${value}` : key)).join(" ");
}

function useUsers(): Map<string, ContainerRow[]> {
  const rows = useRows(containers);
  return useMemo(() => {
    const users = new Map<string, ContainerRow[]>();
    for (const row of rows) {
      const names = new Set((row.Mounts ?? []).flatMap((mount) => (mount.Type === "volume" && mount.Name ? [mount.Name] : [])));
      for (const name of names) users.set(name, [...(users.get(name) ?? []), row]);
    }
    return users;
  }, [rows]);
}

interface Usage {
  Volumes: { Name: string; UsageData?: { Size: number } | null }[] | null;
}

function useSizes() {
  const [of, setOf] = useState(new Map<string, number>());
  const [busy, setBusy] = useState(false);
  const measure = () => {
    setBusy(true);
    engine(HOST).get<Usage>("/system/df", { type: "volume" }).then(
      (found) => setOf(new Map((found.Volumes ?? []).map((one) => [one.Name, one.UsageData?.Size ?? -1]))),
      (error: unknown) => toastError(t("volumes.sizes.failed"), error),
    ).finally(() => setBusy(false));
  };
  return { of, busy, measure };
}
