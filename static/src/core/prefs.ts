/** What the user chose for this browser: kept in local storage, watched like any value. */
import { Value } from "./store";

export class Preference<T> extends Value<T> {
  constructor(private readonly key: string, fallback: T) {
    super(read(key, fallback));
  }
  override set(next: T): void {
    try {
      localStorage.setItem(this.key, JSON.stringify(next));
    } catch {
      // Storage is off or full: the choice lasts as long as the page.
    }
    super.set(next);
  }
}

function read<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(key);
    if (text === null) return fallback;
    const value = JSON.parse(text) as T;
    return typeof fallback === "object" && fallback !== null && !Array.isArray(fallback) ? { ...fallback, ...value } : value;
  } catch {
    return fallback;
  }
}
