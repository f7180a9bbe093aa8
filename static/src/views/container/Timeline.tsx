/** What happened when, on one axis: events, CPU, memory, and how much was written to the log. */
import { NativeSelect } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { useSeconds } from "../../core/clock";
import type { ContainerRow } from "../../core/docker";
import { bytes, dateTime, percent } from "../../core/format";
import { t } from "../../core/i18n";
import { type JournalEvent, useJournal } from "../../core/journal";
import { HOST, stream, usage } from "../../core/live";
import { go, setQuery, usePlace } from "../../core/router";
import { useUsage } from "../../core/usage";
import { detailOf, toneOf, wordsOfAction } from "../../ui/EventLine";
import { addLines, type Density } from "./density";

const WINDOWS: Record<string, number> = { "10 min": 600_000, "1 h": 3_600_000, "6 h": 21_600_000 };
const BUCKETS = 120;
const [W, H, CHART, LOG] = [1000, 132, 62, 34] as const;
const SILENT = /^(exec_|top|resize|attach|archive-path|connect|disconnect|mount|unmount)/;
const COLOURS = { ok: "#2f9e44", bad: "#e03131", warn: "#f08c00", plain: "#868e96" } as const;

export function Timeline({ row }: { row: ContainerRow }) {
  const asked = usePlace().query.get("window") ?? "10 min";
  const name = asked in WINDOWS ? asked : "10 min";
  const width = WINDOWS[name] ?? 600_000;
  useUsage(usage, row.Id);
  const now = useSeconds();
  const from = now - width;
  const { events } = useJournal(useMemo(() => ({ container: [row.Id], type: ["container"] }), [row.Id]));
  const shown = (events ?? []).filter((event) => event.timeNano / 1e6 >= from && !SILENT.test(event.Action));
  const density = useDensity(row.Id, width / BUCKETS);
  const x = (at: number) => ((at - from) / width) * W;
  const points = usage.history(row.Id).filter((point) => point.at >= from);
  const top = { cpu: Math.max(10, ...points.map((p) => p.cpu)), mem: Math.max(1024 ** 2, ...points.map((p) => p.mem)) };
  const line = (key: "cpu" | "mem") => points.map((p) => `${x(p.at).toFixed(1)},${(CHART + 18 - (p[key] / top[key]) * CHART).toFixed(1)}`).join(" ");
  const log = (event: { clientX: number; currentTarget: Element }) => {
    const box = event.currentTarget.getBoundingClientRect();
    go(`/containers/${row.Id.slice(0, 12)}/logs?at=${new Date(from + ((event.clientX - box.left) / box.width) * width).toISOString()}`);
  };
  return (
    <section className="panel timeline" aria-label={t("time.title", { window: name })} data-testid="timeline">
      <div className="card-head">
        <h2>{t("time.title", { window: name })}</h2>
        <span className="timeline-keys">
          <span className="chart-key"><i style={{ background: "#1098ad" }} />{t("col.cpu")} <b className="tabular">{percent(top.cpu)}</b></span>
          <span className="chart-key"><i style={{ background: "#7048e8" }} />{t("col.mem")} <b className="tabular">{bytes(top.mem)}</b></span>
          <span className="chart-key"><i style={{ background: "#868e96" }} />{t("time.density")}</span>
          <NativeSelect size="xs" aria-label={t("time.title", { window: "" })} value={name} data={Object.keys(WINDOWS)} onChange={(event) => setQuery({ window: event.currentTarget.value })} data-testid="timeline-window" />
        </span>
      </div>
      <svg viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={summary(shown)} onClick={log}>
        <polyline points={line("cpu")} className="time-cpu" />
        <polyline points={line("mem")} className="time-mem" />
        <Bars density={density} from={from} x={x} step={width / BUCKETS} />
        <line x1={0} x2={W} y1={9} y2={9} className="time-axis" />
        {shown.map((event) => <EventMark key={event.berthSeq ?? event.timeNano} event={event} at={x(event.timeNano / 1e6)} />)}
      </svg>
      <div className="timeline-ends dim tabular"><span>{dateTime(from)}</span><span>{dateTime(now)}</span></div>
    </section>
  );
}

function EventMark({ event, at }: { event: JournalEvent; at: number }) {
  const words = [wordsOfAction(event.Action), detailOf(event), dateTime(event.timeNano / 1e6)].filter(Boolean).join(" · ");
  return (
    <g>
      <title>{words}</title>
      <line x1={at} x2={at} y1={9} y2={H} stroke={COLOURS[toneOf(event)]} className="time-mark" />
      <rect x={at - 3.5} y={3} width={7} height={12} rx={2} fill={COLOURS[toneOf(event)]} />
    </g>
  );
}

function Bars({ density, from, x, step }: { density: Density; from: number; x(at: number): number; step: number }) {
  const most = Math.max(1, ...[...density.values()].map(([out, err]) => out + err));
  return (
    <>
      {[...density].filter(([at]) => at >= from - step).map(([at, [out, err]]) => {
        const [all, bad] = [((out + err) / most) * LOG, (err / most) * LOG];
        const wide = Math.max(1, W / BUCKETS - 1);
        return <g key={at}><rect x={x(at)} y={H - all} width={wide} height={all} className="time-out" /><rect x={x(at)} y={H - bad} width={wide} height={bad} className="time-err" /></g>;
      })}
    </>
  );
}

function summary(events: readonly JournalEvent[]): string {
  return `${t("time.events")}: ${events.slice(0, 12).map((event) => `${wordsOfAction(event.Action)} ${detailOf(event)}`.trim()).join(", ") || t("none")}`;
}

/** Lines by time and stream, counted as they come; the pushed log begins with its newest lines. */
function useDensity(id: string, step: number): Density {
  const [density, setDensity] = useState<Density>(new Map());
  const counts = useRef<Density>(new Map());
  useEffect(() => {
    counts.current = new Map();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const drop = stream.subscribe(() => ({ topic: "logs", host: HOST, id, tail: 5000 }), {
      frame: (frame, first) => {
        if (first) counts.current = new Map();
        addLines(counts.current, (frame.lines as string | undefined) ?? "", step);
        timer ??= setTimeout(() => {
          timer = null;
          setDensity(new Map(counts.current));
        }, 500);
      },
      end: () => false,
    });
    return () => {
      drop();
      if (timer) clearTimeout(timer);
    };
  }, [id, step]);
  return density;
}
