/** The address bar as state: path and query, links that keep the page. */
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";
import { Listeners } from "./store";

export interface Place {
  path: string;
  query: URLSearchParams;
}

const listeners = new Listeners();
let place = read();

function read(): Place {
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search) };
}

function moved(): void {
  place = read();
  listeners.call();
}

window.addEventListener("popstate", moved);

export function currentPlace(): Place {
  return place;
}

export function go(to: string, options: { replace?: boolean } = {}): void {
  if (to === window.location.pathname + window.location.search) return;
  window.history[options.replace ? "replaceState" : "pushState"](null, "", to);
  if (!options.replace) window.scrollTo(0, 0);
  moved();
}

/** Change query parameters of this page; null removes one. */
export function setQuery(changes: Record<string, string | null>, options: { replace?: boolean } = { replace: true }): void {
  const query = new URLSearchParams(window.location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  go(window.location.pathname + (text ? `?${text}` : ""), options);
}

export function usePlace(): Place {
  return useSyncExternalStore(listeners.add, currentPlace);
}

type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { href: string };

/** An anchor that moves inside the page; modified clicks behave as the browser's. */
export function Link({ href, onClick, ...rest }: LinkProps) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return <a href={href} onClick={click} {...rest} />;
}
