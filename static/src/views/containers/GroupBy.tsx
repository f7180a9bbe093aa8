/** The choice of groups, and the head of one. */
import { NativeSelect } from "@mantine/core";
import { useMemo } from "react";
import { t } from "../../core/i18n";
import { containers } from "../../core/live";
import { setQuery } from "../../core/router";
import { useRows, useValue } from "../../core/store";
import { IconChevronDown, IconChevronRight } from "../../ui/icons";
import { closedGroups, type Grouping, readHead, toggleGroup } from "./grouping";

const MOST_LABELS = 12;

export function GroupBy({ by }: { by: Grouping }) {
  const rows = useRows(containers);
  const labels = useMemo(() => {
    const counts = new Map<string, number>();
    for (const row of rows) for (const key of Object.keys(row.Labels ?? {})) counts.set(key, (counts.get(key) ?? 0) + 1);
    if (by.startsWith("label:")) counts.set(by.slice(6), Infinity);
    return [...counts].filter(([key]) => !key.startsWith("com.docker.compose.")).sort((a, b) => b[1] - a[1]).slice(0, MOST_LABELS).map(([key]) => key);
  }, [rows, by]);
  const choices = [
    { value: "", label: t("group.none") }, { value: "stack", label: t("group.stack") }, { value: "image", label: t("group.image") }, { value: "state", label: t("group.state") },
    ...labels.map((key) => ({ value: `label:${key}`, label: t("group.label.of", { key }) })),
  ];
  return <NativeSelect aria-label={t("group.label")} title={t("group.label")} value={by} onChange={(event) => setQuery({ group: event.currentTarget.value })} data={choices} w={150} data-testid="group-by" />;
}

export function GroupHead({ id, index, top, height, tabbable, onFocus }: { id: string; index: number; top: number; height: number; tabbable: boolean; onFocus(id: string): void }) {
  const { key, name, count } = readHead(id);
  const closed = useValue(closedGroups).includes(key);
  return (
    <div className="ctable-row ctable-group" role="row" tabIndex={tabbable ? 0 : -1} aria-rowindex={index + 2} data-index={index} data-group={key} data-testid="group-head" onFocus={() => onFocus(id)} onClick={() => toggleGroup(key)} style={{ height, transform: `translateY(${top}px)` }}>
      <div role="gridcell"><button type="button" className="group-button" tabIndex={-1} aria-expanded={!closed}>{closed ? <IconChevronRight size={16} /> : <IconChevronDown size={16} />} <b>{name || t("group.rest")}</b> <span className="dim tabular">{t("group.count", { n: count })}</span></button></div>
    </div>
  );
}
