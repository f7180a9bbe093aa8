/** The live channel: one socket, many subscriptions that survive reconnects; frames are acknowledged (docs/realtime.md). */
import { Value } from "./store";

export interface Frame {
  sub: number;
  skipped?: number;
  [key: string]: unknown;
}
export interface StreamError {
  status: number;
  message: string;
}
export interface Handlers {
  /** Subscribed, or subscribed again after a lost connection: what happens from now on arrives as frames. */
  granted?(): void;
  /** One frame; `first` is true for the first one after each (re)subscribe. */
  frame(frame: Frame, first: boolean): void;
  /** The stream ended, with a reason if that was not its natural end. Return true to subscribe again (after a pause). */
  end?(error: string | null): boolean;
  /** The subscription was refused; network trouble and 5xx are retried by themselves. */
  refused?(error: StreamError): void;
}
/** What we use of a socket.io client; tests give their own. */
export interface SocketLike {
  connected: boolean;
  on(event: string, callback: (...args: never[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
}
export type Connection = "connecting" | "online" | "offline";

export const ACK_EVERY = 8;
const RETRY_MS = [500, 1000, 2000, 4000, 5000];

interface Subscription {
  params: () => Record<string, unknown>;
  handlers: Handlers;
  sub: number | null;
  received: number;
  first: boolean;
  attempt: number;
  asked: number;
  timer: ReturnType<typeof setTimeout> | null;
  closed: boolean;
}

export class Stream {
  readonly connection = new Value<Connection>("connecting");
  private readonly all = new Set<Subscription>();
  private readonly bySub = new Map<number, Subscription>();
  /** Frames that overtook the acknowledgement of their subscribe call. */
  private readonly early = new Map<number, Frame[]>();
  private generation = 0;
  /** When the server was last heard, ms since 1970; 0 before the first frame. */
  heard = 0;

  constructor(readonly socket: SocketLike) {
    socket.on("connect", () => this.connected());
    socket.on("disconnect", () => this.lost());
    socket.on("connect_error", () => this.lost());
    socket.on("frame", (frame: Frame) => this.frame(frame));
    socket.on("end", (end: { sub: number; error?: string }) => this.end(end.sub, end.error ?? null));
    if (socket.connected) this.connected();
  }

  /** Subscribe; `params` is asked again at each reconnect, so that it can say where to go on. */
  subscribe(params: () => Record<string, unknown>, handlers: Handlers): () => void {
    const one: Subscription = {
      params, handlers, sub: null, received: 0, first: true, attempt: 0, asked: 0, timer: null, closed: false,
    };
    this.all.add(one);
    if (this.socket.connected) this.ask(one);
    return () => this.close(one);
  }

  /** Call with an answer; refused after `timeoutMs` without one. */
  request<T>(event: string, payload: unknown, timeoutMs = 15000): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject({ status: 504, message: "" } satisfies StreamError), timeoutMs);
      this.socket.emit(event, payload, (answer: T & { error?: StreamError }) => {
        clearTimeout(timer);
        if (answer?.error) reject(answer.error);
        else resolve(answer);
      });
    });
  }

  private connected(): void {
    this.generation += 1;
    this.bySub.clear();
    this.early.clear();
    this.connection.set("online");
    for (const one of this.all) {
      one.attempt = 0;
      this.ask(one);
    }
  }

  private lost(): void {
    this.connection.set("offline");
    this.bySub.clear();
    this.early.clear();
    for (const one of this.all) {
      one.sub = null;
      if (one.timer) clearTimeout(one.timer);
      one.timer = null;
    }
  }

  private ask(one: Subscription): void {
    if (one.timer) clearTimeout(one.timer);
    one.timer = null;
    one.first = true;
    one.received = 0;
    const generation = this.generation;
    const asked = (one.asked += 1);
    this.socket.emit("subscribe", one.params(), (answer: { sub?: number; error?: StreamError }) => {
      if (generation !== this.generation || asked !== one.asked) return;
      if (answer.error || answer.sub === undefined) this.refused(one, answer.error ?? { status: 500, message: "" });
      else if (one.closed) this.socket.emit("unsubscribe", { sub: answer.sub });
      else this.granted(one, answer.sub);
    });
  }

  private granted(one: Subscription, sub: number): void {
    one.sub = sub;
    this.bySub.set(sub, one);
    one.handlers.granted?.();
    const waiting = this.early.get(sub) ?? [];
    this.early.delete(sub);
    for (const frame of waiting) this.deliver(one, frame);
  }

  private refused(one: Subscription, error: StreamError): void {
    if (one.closed) return;
    one.handlers.refused?.(error);
    if (error.status >= 500 || error.status === 429) this.retry(one);
  }

  private retry(one: Subscription): void {
    const wait = RETRY_MS[Math.min(one.attempt, RETRY_MS.length - 1)] ?? 5000;
    one.attempt += 1;
    one.timer = setTimeout(() => {
      one.timer = null;
      if (!one.closed && this.socket.connected) this.ask(one);
    }, wait);
  }

  private frame(frame: Frame): void {
    this.heard = Date.now();
    const one = this.bySub.get(frame.sub);
    if (one) this.deliver(one, frame);
    else {
      const waiting = this.early.get(frame.sub) ?? [];
      if (waiting.length < 64) waiting.push(frame);
      this.early.set(frame.sub, waiting);
    }
  }

  private deliver(one: Subscription, frame: Frame): void {
    if (one.closed) return;
    const first = one.first;
    one.first = false;
    one.attempt = 0;
    one.received += 1;
    if (one.received % ACK_EVERY === 0) this.socket.emit("ack", { sub: frame.sub, n: ACK_EVERY });
    one.handlers.frame(frame, first);
  }

  private end(sub: number, error: string | null): void {
    const one = this.bySub.get(sub);
    if (!one) return;
    this.bySub.delete(sub);
    one.sub = null;
    const again = one.handlers.end ? one.handlers.end(error) : true;
    if (again && !one.closed) this.retry(one);
  }

  private close(one: Subscription): void {
    if (one.closed) return;
    one.closed = true;
    this.all.delete(one);
    if (one.timer) clearTimeout(one.timer);
    if (one.sub === null) return;
    this.bySub.delete(one.sub);
    if (this.socket.connected) this.socket.emit("unsubscribe", { sub: one.sub });
  }
}
