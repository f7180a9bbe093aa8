/** The live state of the page: one socket, and the collections it fills. */
import { io, type Socket } from "socket.io-client";
import { berth, speak } from "./api";
import type { ContainerRow, ImageRow } from "./docker";
import { loadSession, session } from "./session";
import { Collection, Value } from "./store";
import { type Frame, type Handlers, Stream, type StreamError } from "./stream";
import { type Sample, UsageStore } from "./usage";

export type OperationState = "queued" | "running" | "done" | "failed" | "cancelled";
export interface Layer {
  id: string;
  status: string;
  current: number;
  total: number;
}
export interface Operation {
  id: string;
  kind: string;
  title: string;
  host: string;
  owner: string | null;
  namespace: string;
  state: OperationState;
  created: string;
  started: string | null;
  finished: string | null;
  error: string | null;
  progress: { layers?: Layer[]; current?: number; total?: number } | null;
  log: string[];
}

export const HOST = "local";
export const containers = new Collection<ContainerRow>((row) => row.Id);
export const images = new Collection<ImageRow>((row) => row.Id);
export const operations = new Collection<Operation>((row) => row.id);
export const usage = new UsageStore();
/** What the engine's side of the channel says is wrong; null when it is well. */
export const engineTrouble = new Value<string | null>(null);

const socket: Socket = io({ transports: ["websocket"], autoConnect: false, reconnectionDelay: 500, reconnectionDelayMax: 4000 });
export const stream = new Stream(socket as unknown as ConstructorParameters<typeof Stream>[0]);

let running: (() => void)[] = [];
let retry: ReturnType<typeof setTimeout> | null = null;

/** Open the channel for the signed-in user. */
export function startLive(): void {
  if (running.length) return;
  running = [
    follow("containers", containers),
    follow("images", images),
    stream.subscribe(() => ({ topic: "operations" }), {
      frame: (frame) => {
        if (frame.snapshot) operations.reset(frame.snapshot as Operation[]);
        if (frame.upsert) operations.apply(frame.upsert as Operation[]);
      },
      end: () => true,
    }),
  ];
  socket.connect();
}

/** Close it and forget what it showed. */
export function stopLive(): void {
  for (const stop of running) stop();
  running = [];
  if (retry) clearTimeout(retry);
  socket.disconnect();
  for (const rows of [containers, images, operations]) rows.clear();
  usage.clear();
  engineTrouble.set(null);
}

// The server closes our sockets when the session ends, and socket.io does not come back from that by itself.
socket.on("disconnect", (reason) => {
  if (reason === "io server disconnect") void ask();
});
socket.on("connect_error", () => void ask());

async function ask(): Promise<void> {
  if (retry || !running.length) return;
  retry = setTimeout(() => (retry = null), 2000);
  const signedIn = await loadSession();
  if (signedIn && running.length && !socket.connected) setTimeout(() => running.length && socket.connect(), 1000);
}

function follow<T>(topic: string, rows: Collection<T>): () => void {
  return stream.subscribe(() => (rows.seq === null ? { topic, host: HOST } : { topic, host: HOST, since: rows.seq }), {
    frame: (frame) => apply(rows, frame),
    end: () => true,
    refused: trouble,
  });
}

function apply<T>(rows: Collection<T>, frame: Frame): void {
  const seq = typeof frame.seq === "number" ? frame.seq : null;
  if (Array.isArray(frame.snapshot)) rows.reset(frame.snapshot as T[], seq);
  else rows.apply((frame.upsert as T[] | undefined) ?? [], (frame.remove as string[] | undefined) ?? [], seq);
}

function trouble(error: StreamError): void {
  if (error.status === 401) void loadSession();
}

interface Host {
  id: string;
  healthy: boolean;
  api_version: string;
  error: string;
}

/** The server tells when an engine comes or goes; at each connect we ask how it is now. */
function note(host: Host): void {
  if (host.id !== HOST) return;
  engineTrouble.set(host.healthy ? null : host.error);
  if (host.api_version) speak(host.api_version);
}
socket.on("host", note);
socket.on("connect", () => {
  berth.get<Host[]>("/hosts").then((hosts) => hosts.forEach(note), () => undefined);
});

let users = 0;
let stopUsage: (() => void) | null = null;

/** Receive the usage of all running containers while somebody looks. */
export function watchUsage(): () => void {
  users += 1;
  stopUsage ??= stream.subscribe(() => ({ topic: "usage", host: HOST }), {
    frame: (frame) => usage.take(frame.at, (frame.rows as Record<string, Sample> | undefined) ?? {}),
    end: () => true,
  } satisfies Handlers);
  return () => {
    users -= 1;
    if (users > 0) return;
    stopUsage?.();
    stopUsage = null;
  };
}

session.subscribe(() => {
  if (session.get()?.user) startLive();
  else stopLive();
});
