/** HTTP: Berth's own API below /api/v1 and the guarded Engine API below /engine/<host>. */

/** Answer of the server that is not a success: its own message, and the field at fault where there is one. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly status: number,
    message: string,
    readonly field: string | null = null,
  ) {
    super(message);
  }
}

/** The newest Engine API this page was written for. */
const NEWEST: readonly [number, number] = [1, 50];
let spoken = `v${NEWEST.join(".")}`;

type Query = Record<string, string | number | boolean | undefined>;
let signedOut: () => void = () => undefined;

/** What to do when a call is answered 401 although we thought we were signed in. */
export function onSignedOut(callback: () => void): void {
  signedOut = callback;
}

/** Speak the engine's own version where it is older than ours. */
export function speak(version: string): void {
  const [major, minor] = version.split(".").map(Number);
  if (major === NEWEST[0] && minor !== undefined && minor < NEWEST[1]) spoken = `v${major}.${minor}`;
  else spoken = `v${NEWEST.join(".")}`;
}

export function engineUrl(host: string, path: string, query: Query = {}): string {
  return `/engine/${encodeURIComponent(host)}/${spoken}${path}${search(query)}`;
}

/** One call; JSON in, JSON out (undefined for an empty answer). */
export async function call<T>(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method, credentials: "same-origin", headers: { Accept: "application/json" } };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "");
  }
  const text = await response.text();
  if (response.status === 304) return undefined as T;
  if (!response.ok) throw failure(response.status, response.statusText, text, url);
  return (text && isJson(response) ? JSON.parse(text) : undefined) as T;
}

export const berth = {
  get: <T>(path: string, signal?: AbortSignal) => call<T>("GET", `/api/v1${path}`, undefined, signal),
  post: <T>(path: string, body?: unknown) => call<T>("POST", `/api/v1${path}`, body ?? {}),
  remove: <T = void>(path: string) => call<T>("DELETE", `/api/v1${path}`),
};

/** The guarded Engine API of one host: the same calls that the docker CLI makes. */
export function engine(host: string) {
  return {
    get: <T>(path: string, query?: Query, signal?: AbortSignal) =>
      call<T>("GET", engineUrl(host, path, query), undefined, signal),
    post: <T = void>(path: string, query?: Query, body?: unknown) => call<T>("POST", engineUrl(host, path, query), body),
    remove: <T = void>(path: string, query?: Query) => call<T>("DELETE", engineUrl(host, path, query)),
  };
}

function failure(status: number, statusText: string, text: string, url: string): ApiError {
  let message = "";
  let field: string | null = null;
  try {
    const body = JSON.parse(text) as { message?: unknown; field?: unknown };
    if (typeof body.message === "string") message = body.message;
    if (typeof body.field === "string") field = body.field;
  } catch {
    message = text.length < 300 && !text.includes("<") ? text.trim() : "";
  }
  if (status === 401 && !url.startsWith("/api/v1/session") && !url.startsWith("/api/v1/setup")) signedOut();
  return new ApiError(status, message || `${status} ${statusText}`.trim(), field);
}

function isJson(response: Response): boolean {
  return (response.headers.get("Content-Type") ?? "").includes("json");
}

function search(query: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== "") params.set(key, String(value));
  const text = params.toString();
  return text ? `?${text}` : "";
}
