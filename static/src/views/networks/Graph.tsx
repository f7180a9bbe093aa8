/** Networks and who is in them, with the traffic of each container on its line; the table beside it says the same in words. */
import { useEffect, useState } from "react";
import { type ContainerRow, nameOf, type NetworkRow } from "../../core/docker";
import { bytes, shortId } from "../../core/format";
import { t } from "../../core/i18n";
import { containers, usage, watchUsage } from "../../core/live";
import { go } from "../../core/router";
import { useRows } from "../../core/store";

const [ROW, LEFT, RIGHT, WIDE] = [44, 210, 560, 860] as const;
const MOST = 60;

/** Bytes a second, both directions, from the last two samples. */
function rateOf(id: string): number {
  const [before, now] = usage.history(id).slice(-2);
  if (!before || !now || now.at <= before.at) return 0;
  return Math.max(0, now.rx + now.tx - before.rx - before.tx) / ((now.at - before.at) / 1000);
}

export function Graph({ networks }: { networks: readonly NetworkRow[] }) {
  const rows = useRows(containers);
  const [, tick] = useState(0);
  useEffect(watchUsage, []);
  useEffect(() => usage.subscribe(() => tick((n) => n + 1)), []);
  const placed = rows.filter((row) => row.State === "running").sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).slice(0, MOST);
  const used = networks.filter((one) => placed.some((row) => one.Name in (row.NetworkSettings?.Networks ?? {})));
  if (!placed.length) return <div className="panel empty"><h2>{t("graph.none")}</h2></div>;
  const height = Math.max(placed.length, used.length) * ROW + 20;
  const step = height / Math.max(1, used.length);
  const y = (i: number) => 10 + i * ROW + ROW / 2;
  return (
    <div className="panel graph" data-testid="network-graph">
      <svg viewBox={`0 0 ${WIDE} ${height}`} role="group" aria-label={t("graph.title")} style={{ minHeight: Math.min(height, 640) }}>
        {used.map((network, n) => placed.map((row, i) => (network.Name in (row.NetworkSettings?.Networks ?? {}) ? <Edge key={`${network.Id}${row.Id}`} row={row} network={network.Name} from={y(i)} to={step * (n + 0.5)} /> : null)))}
        {placed.map((row, i) => (
          <g key={row.Id} className="graph-node" role="link" tabIndex={0} aria-label={nameOf(row)} transform={`translate(20 ${y(i) - 15})`} onClick={() => go(`/containers/${shortId(row.Id)}`)} onKeyDown={(event) => { if (event.key === "Enter") go(`/containers/${shortId(row.Id)}`); }}>
            <rect width={LEFT - 20} height={30} rx={8} /><text x={12} y={20}>{clip(nameOf(row), 24)}</text>
          </g>
        ))}
        {used.map((network, n) => (
          <g key={network.Id} className="graph-net" transform={`translate(${RIGHT} ${step * (n + 0.5) - 20})`}>
            <rect width={WIDE - RIGHT - 20} height={40} rx={20} /><text x={18} y={18}>{clip(network.Name, 30)}</text><text x={18} y={32} className="graph-sub">{[network.IPAM?.Config?.[0]?.Subnet, network.Internal ? t("networks.internal") : ""].filter(Boolean).join(" · ")}</text>
          </g>
        ))}
      </svg>
    </div>
  );
}

/** A container's traffic is told on its line; where it is in several networks, on the first. */
function Edge({ row, network, from, to }: { row: ContainerRow; network: string; from: number; to: number }) {
  const names = Object.keys(row.NetworkSettings?.Networks ?? {});
  const rate = names[0] === network ? rateOf(row.Id) : 0;
  const middle = (LEFT + RIGHT) / 2;
  return (
    <g>
      <path d={`M${LEFT} ${from} C ${middle} ${from}, ${middle} ${to}, ${RIGHT} ${to}`} className="graph-edge" data-busy={rate > 0 || undefined} strokeWidth={1 + Math.min(7, Math.log10(1 + rate))} />
      {rate > 0 && <text x={LEFT + 8} y={from - 5} className="graph-rate">{bytes(rate)}/s{names.length > 1 ? ` · ${t("graph.all")}` : ""}</text>}
    </g>
  );
}

function clip(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
