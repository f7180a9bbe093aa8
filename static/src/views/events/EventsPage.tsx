/** The journal: what happened on this host, filtered by kind and words, kept in the address, live. */
import { Alert, Button, Checkbox, NativeSelect, Skeleton, TextInput } from "@mantine/core";
import { useMemo } from "react";
import { type Key, t } from "../../core/i18n";
import { type Filters, type JournalEvent, useJournal } from "../../core/journal";
import { setQuery, usePlace } from "../../core/router";
import { EventLine, nameOfEvent, wordsOfAction } from "../../ui/EventLine";
import { IconFilter } from "../../ui/icons";
import { wordsOf } from "../../ui/toast";

const TYPES = ["container", "image", "volume", "network"] as const;
const SHOWN = 400;
/** Commands run inside, health checks above all: many, and seldom what is looked for. */
const COMMANDS = /^(exec_|top$|resize$)/;

export function matchesWords(event: JournalEvent, words: readonly string[]): boolean {
  const text = `${nameOfEvent(event)} ${event.Action} ${wordsOfAction(event.Action)} ${event.berthActor ?? ""} ${event.Actor.ID} ${Object.entries(event.Actor.Attributes ?? {}).map(([k, v]) => `${k}=${v}`).join(" ")}`.toLowerCase();
  return words.every((word) => (word.startsWith("-") && word.length > 1 ? !text.includes(word.slice(1)) : text.includes(word)));
}

export function EventsPage() {
  const { query } = usePlace();
  const text = query.get("q") ?? "";
  const type = query.get("type") ?? "";
  const until = query.get("until") ?? "";
  const all = query.get("all") === "1";
  const most = Number(query.get("show") ?? SHOWN) || SHOWN;
  const { events, error, older } = useJournal(useMemo((): Filters => (type ? { type: [type] } : {}), [type]));
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const end = until ? Date.parse(until) : NaN;
    return (events ?? []).filter((event) => (all || !COMMANDS.test(event.Action)) && matchesWords(event, words) && (Number.isNaN(end) || event.timeNano / 1e6 <= end));
  }, [events, text, until, all]);
  return (
    <div className="page">
      <div className="page-head"><h1>{t("nav.events")}</h1>{events && <span className="dim tabular">{t("events.total", { n: shown.length })}</span>}</div>
      <div className="containers-tools">
        <TextInput className="resources-filter" value={text} onChange={(event) => setQuery({ q: event.currentTarget.value })} placeholder={t("events.filter")} aria-label={t("events.filter")} leftSection={<IconFilter size={16} />} data-testid="events-filter" />
        <NativeSelect aria-label={t("events.kind")} value={type} onChange={(event) => setQuery({ type: event.currentTarget.value })} data={[{ value: "", label: t("events.all") }, ...TYPES.map((value) => ({ value, label: t(`event.type.${value}` as Key) }))]} data-testid="events-type" />
        <TextInput type="datetime-local" aria-label={t("events.until")} title={t("events.until")} value={until} onChange={(event) => setQuery({ until: event.currentTarget.value })} />
        <Checkbox label={t("events.commands")} checked={all} onChange={(event) => setQuery({ all: event.currentTarget.checked ? "1" : null })} data-testid="events-all" />
      </div>
      {error !== null && <Alert color="red" title={t("events.failed")}>{wordsOf(error)}</Alert>}
      {events === null ? error === null && <div className="panel containers-loading"><Skeleton height={18} width="70%" role="status" aria-label={t("loading")} /></div>
        : shown.length === 0 ? <div className="panel empty"><h2>{t("events.none")}</h2></div>
          : <div className="panel" role="list" aria-label={t("nav.events")} data-testid="events">{shown.slice(0, most).map((event) => <EventLine key={event.berthSeq ?? event.timeNano} event={event} />)}</div>}
      {(shown.length > most || older) && <Button variant="default" style={{ alignSelf: "center" }} onClick={() => { if (shown.length <= most) older?.(); setQuery({ show: String(most + SHOWN) }); }}>{t("events.older")}</Button>}
    </div>
  );
}
