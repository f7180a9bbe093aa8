/** Processes inside, looked at again when their number changes. */
import { Alert, Button, Skeleton } from "@mantine/core";
import { useEffect, useState } from "react";
import { engine } from "../../core/api";
import { t } from "../../core/i18n";
import { HOST, usage } from "../../core/live";
import { useUsage } from "../../core/usage";
import { IconRefresh } from "../../ui/icons";
import { wordsOf } from "../../ui/toast";
import type { TabProps } from "./ContainerPage";

interface Top {
  Titles: string[];
  Processes: string[][] | null;
}
const COLUMNS = "-eo pid,ppid,user,pcpu,rss,etime,args";

export function ProcessesTab({ row }: TabProps) {
  const pids = useUsage(usage, row.Id)?.pids ?? 0;
  const [top, setTop] = useState<Top | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const running = row.State === "running" || row.State === "paused";
  useEffect(() => {
    if (!running) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      engine(HOST).get<Top>(`/containers/${row.Id}/top`, { ps_args: COLUMNS }, stop.signal).then((found) => { setTop(found); setError(null); }, (problem: unknown) => {
        if (!stop.signal.aborted) setError(wordsOf(problem));
      });
    }, 300);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [row.Id, running, pids, turn]);
  if (!running) return <div className="panel empty"><h2>{t("proc.stopped")}</h2></div>;
  if (error) return <Alert color="red" title={error} />;
  if (!top) return <Skeleton height={200} role="status" aria-label={t("loading")} />;
  return (
    <>
      <div className="tools"><Button size="xs" variant="default" leftSection={<IconRefresh size={15} />} onClick={() => setTurn(turn + 1)}>{t("proc.again")}</Button></div>
      <div className="files-scroll" tabIndex={0} role="region" aria-label={t("tab.processes")}>
        <table className="files-table" data-testid="processes">
          <thead><tr>{top.Titles.map((title) => <th key={title}>{title}</th>)}</tr></thead>
          <tbody>{(top.Processes ?? []).map((process) => <tr key={process[0]} data-testid="process">{process.map((value, i) => <td key={i} className={i === process.length - 1 ? "mono" : "tabular"}>{value}</td>)}</tr>)}</tbody>
        </table>
      </div>
    </>
  );
}
