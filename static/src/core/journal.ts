/** The engine's journal: what happened, from the newest back, and what happens now; gaps are filled after a lost connection. */
import { useEffect, useRef, useState } from "react";
import { engine } from "./api";
import { HOST, stream } from "./live";

export interface JournalEvent {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> | null };
  time: number;
  timeNano: number;
  berthSeq?: number;
  berthActor?: string;
}
interface Page {
  oldest: number;
  newest: number;
  events: JournalEvent[];
}
/** Docker's filters: type, container, image, event, … */
export type Filters = Record<string, string[]>;

const WINDOW = 2000;
const MOST = 5000;

export interface Journal {
  /** Newest first; null until the first answer. */
  events: readonly JournalEvent[] | null;
  error: unknown;
  /** Reads what is before; null when there is nothing. */
  older: (() => void) | null;
}

export function matchesFilters(event: JournalEvent, filters: Filters): boolean {
  const { type, container } = filters;
  if (type && !type.includes(event.Type)) return false;
  if (container && !container.some((id) => event.Actor.ID === id || event.Actor.Attributes?.container === id)) return false;
  return true;
}

/** `before` merged with `fresh`: by number, each once, newest first. */
export function mergeEvents(before: readonly JournalEvent[], fresh: readonly JournalEvent[]): JournalEvent[] {
  const known = new Set(before.map(keyOf));
  const added = fresh.filter((event) => !known.has(keyOf(event)) && known.add(keyOf(event)));
  return [...before, ...added].sort((a, b) => b.timeNano - a.timeNano || (b.berthSeq ?? 0) - (a.berthSeq ?? 0)).slice(0, MOST);
}

function keyOf(event: JournalEvent): string {
  return event.berthSeq ? String(event.berthSeq) : `${event.timeNano}${event.Type}${event.Action}${event.Actor.ID}`;
}

export function useJournal(filters: Filters): Journal {
  const key = JSON.stringify(filters);
  const [events, setEvents] = useState<readonly JournalEvent[] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [from, setFrom] = useState<{ at: number; oldest: number } | null>(null);
  const newest = useRef<number | null>(null);
  useEffect(() => {
    const wanted = JSON.parse(key) as Filters;
    const stop = new AbortController();
    newest.current = null;
    setEvents(null);
    const read = (query: Record<string, number>) => engine(HOST).get<Page>("/berth/journal", { ...query, filters: key }, stop.signal);
    const catchUp = async () => {
      try {
        let since = newest.current;
        if (since === null) {
          const bounds = await read({ limit: 1 });
          since = Math.max(0, bounds.newest - WINDOW);
          setFrom({ at: since, oldest: bounds.oldest });
        }
        const page = await read({ since_seq: since, limit: 10_000 });
        newest.current = page.newest;
        setEvents((before) => mergeEvents(before ?? [], page.events));
        setError(null);
      } catch (problem) {
        if (!stop.signal.aborted) setError(problem);
      }
    };
    const drop = stream.subscribe(() => ({ topic: "events", host: HOST }), {
      granted: () => void catchUp(),
      frame: (frame) => {
        if (frame.skipped) return void catchUp();
        const fresh = ((frame.events as JournalEvent[] | undefined) ?? []).filter((event) => matchesFilters(event, wanted));
        if (!fresh.length) return;
        for (const event of fresh) newest.current = Math.max(newest.current ?? 0, event.berthSeq ?? 0);
        setEvents((before) => mergeEvents(before ?? [], fresh));
      },
      end: () => true,
    });
    return () => {
      drop();
      stop.abort();
    };
  }, [key]);
  const older = () => {
    if (!from) return;
    const at = Math.max(0, from.at - WINDOW);
    setFrom({ ...from, at });
    engine(HOST).get<Page>("/berth/journal", { since_seq: at, limit: WINDOW, filters: key }).then((page) => setEvents((before) => mergeEvents(before ?? [], page.events)), setError);
  };
  return { events, error, older: from && from.at >= from.oldest ? older : null };
}
