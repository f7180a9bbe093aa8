/** The list of containers: live, filtered, driven by mouse or single keys. */
import { Alert, Button, Skeleton, Text } from "@mantine/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { t } from "../../core/i18n";
import { containers, engineTrouble, images, watchUsage } from "../../core/live";
import { Preference } from "../../core/prefs";
import { go, setQuery, usePlace } from "../../core/router";
import { useReady, useRows, useValue } from "../../core/store";
import { IconPlus } from "../../ui/icons";
import { BulkBar } from "./BulkBar";
import { ColumnChooser } from "./columns";
import { FilterBox, StateChips } from "./FilterBox";
import { GroupBy } from "./GroupBy";
import { KeysHelp } from "./KeysHelp";
import { type Sort, useOrderedIds } from "./order";
import { Table } from "./Table";
import "./containers.css";

const sortPreference = new Preference<Sort>("berth.containers.sort", { key: "created", down: true });

export function ContainersPage() {
  const { query } = usePlace();
  const text = query.get("q") ?? "";
  const by = query.get("group") ?? "";
  const sort = useValue(sortPreference);
  const { ids, filter } = useOrderedIds(text, sort, by);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [help, setHelp] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  const ready = useReady(containers);
  useEffect(watchUsage, []);
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    window.addEventListener("keydown", slash);
    return () => window.removeEventListener("keydown", slash);
  }, []);
  const alive = useMemo(() => new Set(ids.filter((id) => selected.has(id))), [ids, selected]);
  const search = useCallback((q: string) => setQuery({ q }), []);
  return (
    <div className="page containers-page">
      <div className="page-head">
        <h1>{t("nav.containers")}</h1>
        <StateChips text={text} onChange={search} />
      </div>
      <div className="containers-tools">
        <FilterBox text={text} onChange={search} input={box} onHelp={() => setHelp(true)} />
        <GroupBy by={by} />
        <ColumnChooser />
        {alive.size > 0 && <BulkBar ids={[...alive]} onDone={() => setSelected(new Set())} />}
      </div>
      {filter.unknown.length > 0 && <Alert color="yellow" py={8} title={t("filter.unknown", { key: filter.unknown.join(", ") })} />}
      {!ready ? <Loading /> : ids.length === 0 ? <Empty filtered={text !== ""} onClear={() => search("")} /> : (
        <Table ids={ids} sort={sort} onSort={(next) => sortPreference.set(next)} selected={alive} onSelect={setSelected} onHelp={() => setHelp(true)} />
      )}
      <KeysHelp opened={help} onClose={() => setHelp(false)} />
    </div>
  );
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest(".xterm") !== null);
}

function Loading() {
  const trouble = useValue(engineTrouble);
  if (trouble !== null) return <div className="panel empty"><h2>{t("banner.engine")}</h2><p>{trouble}</p></div>;
  return <div className="panel containers-loading" aria-label={t("loading")}>{[0, 1, 2, 3, 4].map((i) => <Skeleton key={i} height={18} width={`${90 - i * 9}%`} />)}</div>;
}

function Empty({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  const first = useRows(images)[0]?.RepoTags?.[0];
  if (filtered) {
    return (
      <div className="panel empty" data-testid="containers-empty">
        <h2>{t("containers.nomatch")}</h2>
        <Button variant="default" onClick={onClear}>{t("filter.clear")}</Button>
      </div>
    );
  }
  return (
    <div className="panel empty" data-testid="containers-empty">
      <h2>{t("containers.none")}</h2>
      <Text size="sm">{t("containers.none.lead")}</Text>
      <Button leftSection={<IconPlus size={16} />} onClick={() => go(first ? `/run?image=${encodeURIComponent(first)}` : "/run")}>
        {first ? t("palette.run", { image: first }) : t("run.title")}
      </Button>
    </div>
  );
}
