/** What the container wrote against its image. Read when the tab opens, when its row changes, and when asked. */
import { Alert, Badge, Button, Skeleton, TextInput } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { engine } from "../../core/api";
import { t } from "../../core/i18n";
import { HOST } from "../../core/live";
import { IconFilter, IconRefresh } from "../../ui/icons";
import { wordsOf } from "../../ui/toast";
import type { TabProps } from "./ContainerPage";

interface Change {
  Path: string;
  Kind: number;
}
const MOST = 1000;
/** By `Kind`. */
const KINDS = [
  { label: "changes.changed", color: "yellow" },
  { label: "changes.added", color: "teal" },
  { label: "changes.deleted", color: "red" },
] as const;

export function ChangesTab({ row }: TabProps) {
  const [found, setFound] = useState<Change[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    engine(HOST).get<Change[] | null>(`/containers/${row.Id}/changes`, {}, stop.signal).then(
      (changes) => {
        setFound(changes ?? []);
        setError(null);
      },
      (problem: unknown) => {
        if (!stop.signal.aborted) setError(wordsOf(problem));
      },
    );
    return () => stop.abort();
  }, [row, turn]);
  const shown = useMemo(() => (found ?? []).filter((change) => change.Path.toLowerCase().includes(text.trim().toLowerCase())), [found, text]);
  if (error) return <Alert color="red" title={error} />;
  if (!found) return <Skeleton height={240} role="status" aria-label={t("loading")} />;
  return (
    <>
      <div className="tools">
        <TextInput className="grow" size="xs" value={text} onChange={(event) => setText(event.currentTarget.value)} placeholder={t("changes.filter")} aria-label={t("changes.filter")} leftSection={<IconFilter size={15} />} data-testid="changes-filter" />
        <span className="count tabular" role="status">{shown.length > MOST ? t("logs.hits", { at: MOST, n: shown.length }) : t("changes.total", { n: shown.length })}</span>
        <Button size="xs" variant="default" leftSection={<IconRefresh size={15} />} onClick={() => setTurn(turn + 1)} data-testid="changes-again">{t("changes.again")}</Button>
      </div>
      {found.length === 0 ? <div className="empty"><p>{t("changes.none")}</p></div> : (
        <ul className="changes" aria-label={t("tab.changes")} data-testid="changes">
          {shown.slice(0, MOST).map((change) => <Line key={change.Path} change={change} />)}
        </ul>
      )}
    </>
  );
}

function Line({ change }: { change: Change }) {
  const kind = KINDS[change.Kind] ?? KINDS[0];
  return (
    <li data-testid="change" data-kind={change.Kind}>
      <Badge variant="outline" color={kind.color} size="sm" c="var(--mantine-color-text)">{t(kind.label)}</Badge> <span className="mono">{change.Path}</span>
    </li>
  );
}
