/** The story of one container, from the journal. */
import { Alert, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { t } from "../../core/i18n";
import { useJournal } from "../../core/journal";
import { EventLine } from "../../ui/EventLine";
import { wordsOf } from "../../ui/toast";
import type { TabProps } from "./ContainerPage";

export function HistoryTab({ row }: TabProps) {
  const { events, error } = useJournal(useMemo(() => ({ container: [row.Id] }), [row.Id]));
  const shown = useMemo(() => (events ?? []).filter((event) => !/^(exec_create|exec_die|top|resize)/.test(event.Action)), [events]);
  if (error) return <Alert color="red" title={wordsOf(error)} />;
  if (events === null) return <Skeleton height={200} role="status" aria-label={t("loading")} />;
  if (!shown.length) return <div className="panel empty"><h2>{t("history.none")}</h2></div>;
  return <div className="panel history" role="list" aria-label={t("tab.history")} tabIndex={0} data-testid="history">{shown.map((event) => <EventLine key={event.berthSeq ?? event.timeNano} event={event} plain={event.Type === "container"} />)}</div>;
}
