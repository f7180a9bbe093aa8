/** What the container is, how it fares, what it may use. */
import { ActionIcon, Alert, Skeleton, Tooltip } from "@mantine/core";
import { type ReactNode, useMemo, useState } from "react";
import { useNow } from "../../core/clock";
import type { ContainerDetail } from "../../core/docker";
import { ago, bytes, dateTime, percent } from "../../core/format";
import { t } from "../../core/i18n";
import { useJournal } from "../../core/journal";
import { usage } from "../../core/live";
import { Link } from "../../core/router";
import { quote } from "../../core/shell";
import { useUsage } from "../../core/usage";
import { CopyButton } from "../../ui/copy";
import { IconEye, IconEyeOff } from "../../ui/icons";
import { Sparkline } from "../../ui/Sparkline";
import type { TabProps } from "./ContainerPage";
import { Timeline } from "./Timeline";
import { useDetail } from "./useDetail";
import { useKernel } from "./useKernel";
import "../../ui/resources.css";

export function OverviewTab({ row }: TabProps) {
  const { detail, error } = useDetail(row);
  if (error && !detail) return <Alert color="red" mt="md" title={error} />;
  if (!detail) return <Skeleton height={220} mt="md" role="status" aria-label={t("loading")} />;
  return (
    <div className="overview" data-testid="overview">
      <Trouble detail={detail} />
      {row.State === "running" && <Gauges id={row.Id} />}
      <Timeline row={row} />
      <div className="overview-grid">
        <State detail={detail} />
        <Limits detail={detail} row={row} />
        <Origin detail={detail} />
        <Network detail={detail} />
        <Mounts detail={detail} />
        <Env env={detail.Config.Env ?? []} />
        <Pairs title={t("over.labels")} pairs={Object.entries(detail.Config.Labels ?? {})} />
        <HealthLog detail={detail} />
      </div>
    </div>
  );
}

/** Causes, not codes: what a stopped container died of. */
function Trouble({ detail }: { detail: ContainerDetail }) {
  const { State } = detail;
  if (State.OOMKilled) return <Alert color="red" title={t("over.oom", { limit: detail.HostConfig.Memory ? bytes(detail.HostConfig.Memory) : "–" })} />;
  if (State.Error) return <Alert color="red" title={t("over.error")}>{State.Error}</Alert>;
  if (State.Status === "exited" && State.ExitCode !== 0) {
    const signal = State.ExitCode > 128 && State.ExitCode < 160 ? State.ExitCode - 128 : null;
    const names: Record<number, string> = { 2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM" };
    return <Alert color="yellow" title={signal ? t("over.exit.signal", { code: State.ExitCode, signal: names[signal] ?? `signal ${signal}` }) : t("over.exit", { code: State.ExitCode })} />;
  }
  return null;
}

function Gauges({ id }: { id: string }) {
  const point = useUsage(usage, id);
  const history = usage.history(id);
  const [before, now] = history.slice(-2);
  const seconds = before && now ? Math.max(0.5, (now.at - before.at) / 1000) : 1;
  const rate = (key: "rx" | "tx" | "read" | "write") => (before && now ? Math.max(0, now[key] - before[key]) / seconds : 0);
  const cards: [string, string, string, readonly number[], ("cpu" | "mem")?][] = [
    [t("col.cpu"), point ? percent(point.cpu) : "–", t("over.cores"), history.map((one) => one.cpu)],
    [t("col.mem"), point ? bytes(point.mem) : "–", point?.limit ? t("over.of", { limit: bytes(point.limit) }) : "", history.map((one) => one.mem), "mem"],
    [t("stats.network"), point ? `↓ ${bytes(rate("rx"))}/s` : "–", point ? `↑ ${bytes(rate("tx"))}/s` : "", []],
    [t("stats.pids"), point ? String(point.pids) : "–", "", history.map((one) => one.pids)],
  ];
  return (
    <div className="gauges">
      {cards.map(([label, value, sub, values, tone]) => (
        <div key={label} className="panel gauge">
          <span className="dim">{label}</span>
          <b className="tabular">{value}</b>
          <small className="dim tabular">{sub || "\u00a0"}</small>
          {values.length > 1 && <Sparkline values={values.slice(-60)} atLeast={1} tone={tone} width={110} height={34} />}
        </div>
      ))}
    </div>
  );
}

function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return <section className="panel card" aria-label={title}><div className="card-head"><h2>{title}</h2>{aside}</div>{children}</section>;
}

function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return <dl className="facts">{rows.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function State({ detail }: { detail: ContainerDetail }) {
  const now = useNow();
  const { Config, HostConfig, State: state } = detail;
  const argv = [detail.Path, ...(detail.Args ?? [])].filter(Boolean).map(quote).join(" ");
  const policy = HostConfig.RestartPolicy.Name || "no";
  const started = Date.parse(state.StartedAt);
  const finished = Date.parse(state.FinishedAt);
  const rows: [string, ReactNode][] = [
    [t("run.command"), <code className="wrap" key="c">{argv || "–"}</code>],
    [t("col.created"), dateTime(detail.Created)],
    ...(started > 0 ? [[t("over.started"), <span key="s" title={dateTime(state.StartedAt)}>{ago(started, now)}</span>] as [string, ReactNode]] : []),
    ...(finished > 0 && state.Status !== "running" ? [[t("over.finished"), <span key="f" title={dateTime(state.FinishedAt)}>{ago(finished, now)} · {t("over.code", { code: state.ExitCode })}</span>] as [string, ReactNode]] : []),
    ...(state.Pid ? [["PID", String(state.Pid)] as [string, ReactNode]] : []),
    [t("run.restart"), `${policy}${policy === "on-failure" && HostConfig.RestartPolicy.MaximumRetryCount ? `:${HostConfig.RestartPolicy.MaximumRetryCount}` : ""}${detail.RestartCount ? ` · ${t("over.restarts", { n: detail.RestartCount })}` : ""}`],
    [t("run.user"), Config.User || "root"],
    ...(Config.WorkingDir ? [[t("run.workdir"), <code key="w">{Config.WorkingDir}</code>] as [string, ReactNode]] : []),
    [t("run.hostname"), <code key="h">{Config.Hostname || "–"}</code>],
  ];
  return <Card title={t("over.container")}><Facts rows={rows} /></Card>;
}

function Limits({ detail, row }: { detail: ContainerDetail; row: TabProps["row"] }) {
  const { HostConfig: host } = detail;
  const kernel = useKernel(row);
  const throttled = useUsage(usage, row.Id)?.throttled ?? kernel?.throttledNs ?? 0;
  const none = t("over.unlimited");
  const both = (asked: string, real: string | null) => (real === null || real === asked ? asked : `${asked} · ${t("limits.kernel")}: ${real}`);
  return (
    <Card title={t("run.limits")}>
      <Facts rows={[
        [t("run.memory"), both(host.Memory ? bytes(host.Memory) : none, kernel?.memory ? bytes(kernel.memory) : null)],
        [t("run.cpus"), host.NanoCpus ? String(host.NanoCpus / 1e9) : none],
        ...(throttled > 0 ? [[t("limits.throttled"), <span key="t" className="tabular" data-testid="throttled">{`${(throttled / 1e9).toFixed(1)} s`}</span>] as [string, ReactNode]] : []),
        [t("run.pids"), both(host.PidsLimit && host.PidsLimit > 0 ? String(host.PidsLimit) : none, kernel?.pids ? String(kernel.pids) : null)],
        [t("over.privileged"), host.Privileged ? t("yes") : t("no")],
        [t("over.readonly"), host.ReadonlyRootfs ? t("yes") : t("no")],
        [t("run.autoremove"), host.AutoRemove ? t("yes") : t("no")],
      ]} />
    </Card>
  );
}

/** Who made it, and from what. */
function Origin({ detail }: { detail: ContainerDetail }) {
  const { events } = useJournal(useMemo(() => ({ container: [detail.Id], type: ["container"] }), [detail.Id]));
  const made = events?.find((event) => event.Action === "create");
  const labels = detail.Config.Labels ?? {};
  const [project, service] = [labels["com.docker.compose.project"], labels["com.docker.compose.service"]];
  return (
    <Card title={t("over.origin")}>
      <Facts rows={[
        [t("over.by"), made?.berthActor ?? "–"],
        [t("col.created"), dateTime(detail.Created)],
        [t("over.image"), <span key="i">{detail.Config.Image} <code className="dim">{detail.Image.replace("sha256:", "").slice(0, 12)}</code></span>],
        ...(project ? [[t("over.compose"), <Link key="c" className="r-link" href={`/containers?q=${encodeURIComponent(`stack:${project}`)}`}>{t("over.compose.of", { project, service: service ?? "" })}</Link>] as [string, ReactNode]] : []),
      ]} />
    </Card>
  );
}

function Network({ detail }: { detail: ContainerDetail }) {
  const networks = Object.entries(detail.NetworkSettings.Networks ?? {});
  const ports = Object.entries(detail.NetworkSettings.Ports ?? {});
  return (
    <Card title={t("stats.network")}>
      <Facts rows={[
        ...networks.map(([name, one]): [string, ReactNode] => [name, <code key={name}>{one.IPAddress || "–"}</code>]),
        ...ports.map(([port, bindings]): [string, ReactNode] => [port, bindings?.length ? <code key={port}>{bindings.map((one) => `${one.HostIp || "*"}:${one.HostPort}`).join(", ")}</code> : <span key={port} className="dim">{t("over.unpublished")}</span>]),
      ]} />
      {!networks.length && !ports.length && <p className="dim card-none">{detail.HostConfig.NetworkMode}</p>}
    </Card>
  );
}

function Mounts({ detail }: { detail: ContainerDetail }) {
  const mounts = detail.Mounts ?? [];
  return (
    <Card title={t("run.volumes")}>
      {mounts.length ? <Facts rows={mounts.map((one): [string, ReactNode] => [one.Destination, <code className="wrap" key={one.Destination}>{one.Type === "volume" ? one.Name : one.Source || one.Type}{one.RW ? "" : ` (${t("run.volume.ro")})`}</code>])} /> : <p className="dim card-none">{t("none")}</p>}
    </Card>
  );
}

function Env({ env }: { env: readonly string[] }) {
  const [shown, setShown] = useState(false);
  const label = shown ? t("over.env.hide") : t("over.env.show");
  const pairs = env.map((one): [string, string] => [one.split("=", 1)[0] ?? "", one.slice(one.indexOf("=") + 1)]);
  const aside = env.length > 0 && (
    <span className="run-asides">
      <Tooltip label={label}><ActionIcon variant="subtle" color="gray" aria-label={label} onClick={() => setShown(!shown)}>{shown ? <IconEyeOff size={16} /> : <IconEye size={16} />}</ActionIcon></Tooltip>
      <CopyButton text={env.join("\n")} />
    </span>
  );
  return <Pairs title={t("run.env")} aside={aside} pairs={pairs.map(([key, value]) => [key, shown ? value : "••••••"])} />;
}

function Pairs({ title, pairs, aside }: { title: string; pairs: [string, string][]; aside?: ReactNode }) {
  return (
    <Card title={title} aside={aside}>
      {pairs.length ? <Facts rows={pairs.map(([key, value]) => [key, <code className="wrap" key={key}>{value}</code>])} /> : <p className="dim card-none">{t("none")}</p>}
    </Card>
  );
}

function HealthLog({ detail }: { detail: ContainerDetail }) {
  const health = detail.State.Health;
  if (!health || health.Status === "none") return null;
  return (
    <Card title={t("over.health")} aside={<span className="dim">{health.Status}{health.FailingStreak ? ` · ${t("over.failing", { n: health.FailingStreak })}` : ""}</span>}>
      <Facts rows={[...(health.Log ?? [])].reverse().slice(0, 5).map((one): [string, ReactNode] => [dateTime(one.Start), <code className="wrap" key={one.Start}>{t("over.code", { code: one.ExitCode })} {one.Output.trim().slice(0, 400)}</code>])} />
    </Card>
  );
}
