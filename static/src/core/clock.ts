/** The time for "… ago" labels: one timer for the page, only while somebody shows a time. */
import { useSyncExternalStore } from "react";
import { Listeners } from "./store";

function ticker(everyMs: number) {
  const listeners = new Listeners();
  let now = Date.now();
  let timer: ReturnType<typeof setInterval> | null = null;
  const subscribe = (fn: () => void) => {
    const drop = listeners.add(fn);
    timer ??= setInterval(() => {
      now = Date.now();
      listeners.call();
    }, everyMs);
    now = Date.now();
    return () => {
      drop();
      if (listeners.size > 0 || timer === null) return;
      clearInterval(timer);
      timer = null;
    };
  };
  return { subscribe, get: () => now };
}

const slow = ticker(15_000);
const fast = ticker(1000);

/** Now, renewed every 15 seconds. */
export function useNow(): number {
  return useSyncExternalStore(slow.subscribe, slow.get);
}

/** Now, renewed every second: for things that are under way. */
export function useSeconds(): number {
  return useSyncExternalStore(fast.subscribe, fast.get);
}
