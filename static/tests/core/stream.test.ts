import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ACK_EVERY, type Frame, Stream } from "../../src/core/stream";

/** A socket that remembers what was sent, and lets the test be the server. */
class Wire {
  connected = false;
  sent: { event: string; data: Record<string, unknown>; answer: ((value: unknown) => void) | undefined }[] = [];
  private handlers = new Map<string, ((...args: never[]) => void)[]>();
  on(event: string, callback: (...args: never[]) => void) {
    this.handlers.set(event, [...(this.handlers.get(event) ?? []), callback]);
  }
  emit(event: string, data: unknown, answer?: unknown) {
    this.sent.push({ event, data: data as Record<string, unknown>, answer: answer as ((value: unknown) => void) | undefined });
  }
  happen(event: string, ...args: unknown[]) {
    for (const handler of this.handlers.get(event) ?? []) handler(...(args as never[]));
  }
  up() {
    this.connected = true;
    this.happen("connect");
  }
  down() {
    this.connected = false;
    this.happen("disconnect", "transport close");
  }
  of(event: string) {
    return this.sent.filter((one) => one.event === event);
  }
}

describe("Stream", () => {
  let wire: Wire;
  let stream: Stream;
  beforeEach(() => {
    vi.useFakeTimers();
    wire = new Wire();
    stream = new Stream(wire);
  });
  afterEach(() => void vi.useRealTimers());

  it("subscribes when the connection comes, again after each reconnect, with parameters of that moment", () => {
    let seq = 0;
    stream.subscribe(() => ({ topic: "containers", since: (seq += 1) }), { frame: () => undefined });
    expect(wire.of("subscribe")).toHaveLength(0);
    wire.up();
    wire.down();
    wire.up();
    expect(wire.of("subscribe").map((one) => one.data.since)).toEqual([1, 2]);
    expect(stream.connection.get()).toBe("online");
  });

  it("acknowledges every eighth frame by its count", () => {
    wire.up();
    stream.subscribe(() => ({ topic: "logs" }), { frame: () => undefined });
    wire.of("subscribe")[0]?.answer?.({ sub: 7 });
    for (let i = 0; i < ACK_EVERY * 2 + 3; i++) wire.happen("frame", { sub: 7 });
    expect(wire.of("ack").map((one) => one.data)).toEqual([{ sub: 7, n: ACK_EVERY }, { sub: 7, n: ACK_EVERY }]);
  });

  it("delivers frames that overtake the answer, and marks the first", () => {
    wire.up();
    const seen: [Frame, boolean][] = [];
    stream.subscribe(() => ({ topic: "logs" }), { frame: (frame, first) => seen.push([frame, first]) });
    wire.happen("frame", { sub: 3, lines: "a" });
    wire.of("subscribe")[0]?.answer?.({ sub: 3 });
    wire.happen("frame", { sub: 3, lines: "b" });
    expect(seen.map(([frame, first]) => [frame.lines, first])).toEqual([["a", true], ["b", false]]);
  });

  it("takes no answer from before a reconnect for a new one", () => {
    wire.up();
    const frame = vi.fn();
    stream.subscribe(() => ({ topic: "logs" }), { frame });
    const old = wire.of("subscribe")[0];
    wire.down();
    wire.up();
    old?.answer?.({ sub: 1 });
    wire.happen("frame", { sub: 1 });
    expect(frame).not.toHaveBeenCalled();
  });

  it("unsubscribes also when the answer comes after the close", () => {
    wire.up();
    const stop = stream.subscribe(() => ({ topic: "logs" }), { frame: () => undefined });
    stop();
    wire.of("subscribe")[0]?.answer?.({ sub: 5 });
    expect(wire.of("unsubscribe").map((one) => one.data)).toEqual([{ sub: 5 }]);
  });

  it("tries again after a refusal of the server's side, not after one of ours", () => {
    wire.up();
    const refused = vi.fn();
    stream.subscribe(() => ({ topic: "logs" }), { frame: () => undefined, refused });
    wire.of("subscribe")[0]?.answer?.({ error: { status: 503, message: "engine away" } });
    vi.advanceTimersByTime(600);
    wire.of("subscribe")[1]?.answer?.({ error: { status: 404, message: "no such container" } });
    vi.advanceTimersByTime(60_000);
    expect(wire.of("subscribe")).toHaveLength(2);
    expect(refused).toHaveBeenCalledTimes(2);
  });

  it("subscribes again after an end if its owner wants that", () => {
    wire.up();
    stream.subscribe(() => ({ topic: "a" }), { frame: () => undefined, end: () => true });
    stream.subscribe(() => ({ topic: "b" }), { frame: () => undefined, end: () => false });
    wire.of("subscribe").forEach((one, i) => one.answer?.({ sub: i + 1 }));
    wire.happen("end", { sub: 1, error: "the engine went away" });
    wire.happen("end", { sub: 2 });
    vi.advanceTimersByTime(10_000);
    expect(wire.of("subscribe").map((one) => one.data.topic)).toEqual(["a", "b", "a"]);
  });

  it("rejects a request that is answered with an error or not at all", async () => {
    wire.up();
    const first = stream.request("terminal.open", {});
    wire.of("terminal.open")[0]?.answer?.({ error: { status: 409, message: "not running" } });
    await expect(first).rejects.toEqual({ status: 409, message: "not running" });
    const second = stream.request("terminal.open", {}, 1000);
    vi.advanceTimersByTime(1001);
    await expect(second).rejects.toMatchObject({ status: 504 });
  });
});
