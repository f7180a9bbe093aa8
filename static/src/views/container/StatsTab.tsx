/** Charts of one container's use, a point a second for the last ten minutes. */
import { useComputedColorScheme } from "@mantine/core";
import { type ReactNode, useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { bytes, percent } from "../../core/format";
import { t } from "../../core/i18n";
import { usage } from "../../core/live";
import { type Point, useUsage } from "../../core/usage";
import type { TabProps } from "./ContainerPage";

interface Line {
  label: string;
  colour: string;
  /** Values of all points; null where nothing is known. */
  of(points: readonly Point[]): (number | null)[];
}
interface ChartSpec {
  title: string;
  lines: Line[];
  format(value: number): string;
  /** The axis reaches at least this far. */
  atLeast: number;
  /** Ticks at powers of two. */
  binary?: boolean;
}

function rateOf(key: "rx" | "tx" | "read" | "write") {
  return (points: readonly Point[]) => points.map((point, i) => {
    const before = points[i - 1];
    if (!before || point.at <= before.at) return null;
    return Math.max(0, point[key] - before[key]) / ((point.at - before.at) / 1000);
  });
}
const POWERS = Array.from({ length: 45 }, (_, i) => 2 ** i);
const perSecond = (value: number) => `${bytes(value)}/s`;

function charts(dark: boolean): ChartSpec[] {
  const [cyan, violet, green, orange] = dark ? ["#3bc9db", "#9775fa", "#69db7c", "#ffa94d"] : ["#0c8599", "#6741d9", "#2b8a3e", "#d9480f"];
  return [
    { title: t("col.cpu"), format: percent, atLeast: 5, lines: [{ label: t("col.cpu"), colour: cyan ?? "", of: (points) => points.map((p) => p.cpu) }] },
    { title: t("col.mem"), format: bytes, atLeast: 1024 ** 2, binary: true, lines: [{ label: t("col.mem"), colour: violet ?? "", of: (points) => points.map((p) => p.mem) }] },
    { title: t("stats.network"), format: perSecond, atLeast: 1000, binary: true, lines: [{ label: t("stats.rx"), colour: green ?? "", of: rateOf("rx") }, { label: t("stats.tx"), colour: orange ?? "", of: rateOf("tx") }] },
    { title: t("stats.block"), format: perSecond, atLeast: 1000, binary: true, lines: [{ label: t("stats.read"), colour: green ?? "", of: rateOf("read") }, { label: t("stats.write"), colour: orange ?? "", of: rateOf("write") }] },
    { title: t("stats.pids"), format: (value) => value.toFixed(0), atLeast: 4, lines: [{ label: t("stats.pids"), colour: cyan ?? "", of: (points) => points.map((p) => p.pids) }] },
  ];
}

export function StatsTab({ row }: TabProps) {
  const dark = useComputedColorScheme("light") === "dark";
  const specs = useMemo(() => charts(dark), [dark]);
  const now = useUsage(usage, row.Id);
  const points = usage.history(row.Id);
  if (!points.length) return <div className="panel empty"><h2>{row.State === "running" ? t("stats.waiting") : t("stats.stopped")}</h2></div>;
  return (
    <div className="charts" data-testid="stats">
      {specs.map((spec) => <Chart key={`${spec.title}${dark}`} spec={spec} points={points} at={now?.at ?? 0} dark={dark} />)}
    </div>
  );
}

function Chart({ spec, points, at, dark }: { spec: ChartSpec; points: readonly Point[]; at: number; dark: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(options(spec, element.clientWidth, dark), [[], ...spec.lines.map(() => [])], element);
    plot.current = made;
    const resizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: 190 }));
    resizes.observe(element);
    return () => {
      resizes.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [spec, dark]);
  useEffect(() => {
    plot.current?.setData([points.map((p) => p.at / 1000), ...spec.lines.map((line) => line.of(points))] as uPlot.AlignedData);
  }, [points, at, spec]);
  return (
    <section className="panel chart" aria-label={spec.title}>
      <div className="chart-head"><h2>{spec.title}</h2><Newest spec={spec} points={points} /></div>
      <div ref={box} aria-hidden="true" />
    </section>
  );
}

function Newest({ spec, points }: { spec: ChartSpec; points: readonly Point[] }): ReactNode {
  const last = points.slice(-2);
  return (
    <span className="tabular chart-now">
      {spec.lines.map((line) => {
        const value = line.of(last).at(-1);
        return <span key={line.label} className="chart-key"><i style={{ background: line.colour }} aria-hidden="true" />{spec.lines.length > 1 ? `${line.label} ` : ""}<b>{value == null ? "–" : spec.format(value)}</b></span>;
      })}
    </span>
  );
}

function options(spec: ChartSpec, width: number, dark: boolean): uPlot.Options {
  const [text, grid] = dark ? ["#97a6b6", "#1d2938"] : ["#54616f", "#e6eaee"];
  const font = "11px Inter Variable, sans-serif";
  return {
    width, height: 190, padding: [14, 6, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true, range: (_, min, max) => [Math.min(min, max - 60), max] }, y: { range: (_, __, max) => [0, Math.max(spec.atLeast, (max || 0) * 1.15)] } },
    axes: [
      { stroke: text, grid: { show: false }, ticks: { show: false }, font, space: 80, size: 30, values: "{HH}:{mm}:{ss}" },
      { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font, size: 74, ...(spec.binary ? { incrs: POWERS } : {}), values: (_, splits) => splits.map(spec.format) },
    ],
    series: [{}, ...spec.lines.map((line) => ({ label: line.label, stroke: line.colour, width: 1.6, fill: `${line.colour}${spec.lines.length > 1 ? "14" : "22"}`, points: { show: false } }))],
  };
}
