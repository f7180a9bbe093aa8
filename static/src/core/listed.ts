/** A list that is read whole, and read again when the engine's events say that it changed. */
import { useCallback, useEffect, useState } from "react";
import { engine } from "./api";
import { engineTrouble, HOST, stream } from "./live";
import { useValue } from "./store";

const CALM_MS = 150;

export interface Listed<T> {
  /** Null until the first answer. */
  found: T | null;
  error: unknown;
}

/** GET `path` now, after each (re)connect, and shortly after events of the type `noun`. */
export function useListed<T>(path: string, noun: string): Listed<T> {
  const [listed, setListed] = useState<Listed<T>>({ found: null, error: null });
  const trouble = useValue(engineTrouble);
  const read = useCallback((signal: AbortSignal) => {
    engine(HOST).get<T>(path, {}, signal).then(
      (found) => setListed({ found, error: null }),
      (error: unknown) => {
        if (!signal.aborted) setListed((before) => ({ ...before, error }));
      },
    );
  }, [path]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let reading = new AbortController();
    const soon = (wait: number) => {
      timer ??= setTimeout(() => {
        timer = null;
        reading.abort();
        reading = new AbortController();
        read(reading.signal);
      }, wait);
    };
    const stop = stream.subscribe(() => ({ topic: "events", host: HOST }), {
      granted: () => soon(0),
      frame: (frame) => {
        const events = (frame.events as { Type?: string }[] | undefined) ?? [];
        if (frame.skipped || events.some((event) => event.Type === noun)) soon(CALM_MS);
      },
      end: () => true,
    });
    return () => {
      stop();
      reading.abort();
      if (timer) clearTimeout(timer);
    };
    // An engine that comes back is asked anew.
  }, [read, noun, trouble]);
  return listed;
}
