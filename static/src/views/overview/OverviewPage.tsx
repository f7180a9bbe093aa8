/** The first page: what needs you, with its cause and a way out; then the machine, and what changed lately. */
import { Button, Progress, Skeleton } from "@mantine/core";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { engine } from "../../core/api";
import { useNow } from "../../core/clock";
import type { ContainerDetail, ContainerRow } from "../../core/docker";
import { ago, bytes, percent, shortId } from "../../core/format";
import { type Key, t } from "../../core/i18n";
import { useJournal } from "../../core/journal";
import { containers, HOST, operations, usage, watchUsage } from "../../core/live";
import { useMachine } from "../../core/machine";
import { useMay } from "../../core/rights";
import { go, Link } from "../../core/router";
import { useReady, useRows } from "../../core/store";
import { EventLine } from "../../ui/EventLine";
import { IconOk } from "../../ui/icons";
import { toastError } from "../../ui/toast";
import { act } from "../containers/actions";
import { operationsOpen } from "../operations/OperationsDrawer";
import { lastLine } from "./lastLine";
import { keyOf, type Need, needsOf, titleOf } from "./needs";
import "./overview.css";

const NOISE = /^(exec_|top|attach|resize|mount|unmount|archive-path|connect|disconnect)/;

export function OverviewPage() {
  const rows = useRows(containers);
  const jobs = useRows(operations);
  const ready = useReady(containers);
  const machine = useMachine();
  const { events } = useJournal(useMemo(() => ({}), []));
  const now = useNow();
  useEffect(watchUsage, []);
  const needs = useMemo(() => needsOf(rows, events ?? [], machine, jobs, now), [rows, events, machine, jobs, now]);
  const changes = useMemo(() => (events ?? []).filter((event) => !NOISE.test(event.Action)).slice(0, 14), [events]);
  return (
    <div className="page overview-page">
      <div className="page-head"><h1>{t("nav.overview")}</h1></div>
      <section className="panel" aria-label={t("needs.title")} data-testid="needs">
        <div className="panel-head"><h2>{t("needs.title")}</h2>{ready && <span className="dim tabular">{needs.length || ""}</span>}</div>
        {!ready ? <div className="containers-loading"><Skeleton height={18} width="60%" role="status" aria-label={t("loading")} /></div>
          : needs.length === 0 ? <p className="needs-none"><IconOk size={18} className="tone-ok" /> {t("needs.none")}</p>
            : <ul className="needs">{needs.slice(0, 30).map((need) => <NeedLine key={keyOf(need)} need={need} now={now} />)}</ul>}
      </section>
      <div className="overview-two">
        <section className="panel" aria-label={t("overview.machine")}>
          <div className="panel-head"><h2>{t("overview.machine")}</h2></div>
          <div className="overview-meters">
            <Totals rows={rows} />
            {machine ? (
              <>
                <Meter label={t("overview.load")} share={machine.load[0] / machine.cpus} text={t("overview.load.of", { load: machine.load[0].toFixed(2), n: machine.cpus })} />
                <Meter label={t("col.mem")} share={1 - machine.memory_available / machine.memory_total} text={`${bytes(machine.memory_total - machine.memory_available)} / ${bytes(machine.memory_total)}`} />
                <Meter label={t("overview.disk")} share={1 - machine.disk_free / machine.disk_total} text={t("overview.free", { free: bytes(machine.disk_free), total: bytes(machine.disk_total) })} />
              </>
            ) : <Skeleton height={120} role="status" aria-label={t("loading")} />}
          </div>
        </section>
        <section className="panel" aria-label={t("overview.changes")}>
          <div className="panel-head"><h2>{t("overview.changes")}</h2><Link href="/events" className="r-link">{t("overview.all")}</Link></div>
          {events === null ? <div className="containers-loading"><Skeleton height={18} width="60%" role="status" aria-label={t("loading")} /></div> : <div role="list">{changes.map((event) => <EventLine key={event.berthSeq ?? event.timeNano} event={event} />)}</div>}
        </section>
      </div>
    </div>
  );
}

function Totals({ rows }: { rows: readonly ContainerRow[] }) {
  const [, tick] = useState(0);
  useEffect(() => usage.subscribe(() => tick((n) => n + 1)), []);
  const { cpu, mem } = usage.totals();
  const running = rows.filter((row) => row.State === "running").length;
  return (
    <div className="overview-totals">
      <Link href="/containers?q=state:running" className="total"><b className="tabular">{running}</b><span>{t("state.running")}</span></Link>
      <Link href="/containers" className="total"><b className="tabular">{rows.length}</b><span>{t("nav.containers")}</span></Link>
      <Link href="/containers" className="total"><b className="tabular">{percent(cpu)}</b><span>{t("overview.cpu")}</span></Link>
      <Link href="/containers" className="total"><b className="tabular">{bytes(mem)}</b><span>{t("overview.mem")}</span></Link>
    </div>
  );
}

function Meter({ label, share, text }: { label: string; share: number; text: string }) {
  const value = Math.max(0, Math.min(100, share * 100));
  return (
    <div className="meter">
      <div><span>{label}</span><span className="tabular dim">{text}</span></div>
      <Progress value={value} color={value > 90 ? "red" : value > 75 ? "yellow" : undefined} aria-label={`${label}: ${text}`} />
    </div>
  );
}

function NeedLine({ need, now }: { need: Need; now: number }) {
  const row = "row" in need ? need.row : null;
  const cause = useCause(need);
  return (
    <li className="need" data-kind={need.kind} data-testid="need">
      <i aria-hidden="true" />
      <div className="need-body">
        <div>
          {row ? <Link href={`/containers/${shortId(row.Id)}`} className="need-name">{titleOf(need)}</Link> : <span className="need-name">{titleOf(need)}</span>}{" "}
          <span>{headline(need)}</span>
          {need.kind !== "disk" && <span className="dim"> · {ago(need.at, now)}</span>}
        </div>
        {cause && <div className="need-cause mono" title={cause}>{cause}</div>}
      </div>
      <Fixes need={need} />
    </li>
  );
}

function headline(need: Need): string {
  switch (need.kind) {
    case "oom":
      return t("needs.oom", { limit: bytes(need.limit), peak: bytes(need.peak) });
    case "disk":
      return t("needs.disk", { free: bytes(need.free), total: bytes(need.total) });
    case "operation":
      return t("needs.operation");
    case "restarting":
      return need.code === null ? t("needs.restarting", { n: need.times }) : t("needs.restarting.code", { n: need.times, code: need.code });
    default:
      return t(`needs.${need.kind}` as Key, { code: need.code ?? 0 });
  }
}

/** What it said last: of a health check its output, else the last line of the log. */
function useCause(need: Need): string {
  const [cause, setCause] = useState("");
  const row = "row" in need ? need.row : null;
  const [id, kind, error] = [row?.Id ?? null, need.kind, need.kind === "operation" ? (need.operation.error ?? "") : ""];
  useEffect(() => {
    if (id === null) return;
    const stop = new AbortController();
    const found = kind === "unhealthy"
      ? engine(HOST).get<ContainerDetail>(`/containers/${id}/json`, {}, stop.signal).then((detail) => detail.State.Health?.Log?.at(-1)?.Output.trim() ?? "")
      : lastLine(id, stop.signal);
    found.then(setCause, () => undefined);
    return () => stop.abort();
  }, [id, kind, row?.State]);
  return id === null ? error : cause;
}

function Fixes({ need }: { need: Need }): ReactNode {
  const [operate, deploy] = [useMay("operate"), useMay("deploy")];
  if (need.kind === "disk") return <Fix label={t("nav.images")} onClick={() => go("/images")} />;
  if (need.kind === "operation") return <Fix label={t("needs.show")} onClick={() => operationsOpen.set(true)} />;
  const page = `/containers/${shortId(need.row.Id)}`;
  return (
    <div className="need-fixes">
      <Fix label={t("tab.logs")} onClick={() => go(`${page}/logs`)} />
      {need.kind === "oom" && deploy && <Fix label={t("needs.raise", { limit: bytes(need.limit * 2) })} onClick={() => void raise(need.row.Id, need.limit * 2)} />}
      {(need.kind === "unhealthy") && operate && <Fix label={t("verb.restart")} onClick={() => void act("restart", [need.row.Id])} />}
      {need.kind === "restarting" && operate && <Fix label={t("verb.stop")} onClick={() => void act("stop", [need.row.Id])} />}
      {need.kind === "failed" && operate && <Fix label={t("verb.start")} onClick={() => void act("start", [need.row.Id])} />}
    </div>
  );
}

function Fix({ label, onClick }: { label: string; onClick(): void }) {
  return <Button size="compact-sm" variant="default" onClick={onClick}>{label}</Button>;
}

async function raise(id: string, limit: number): Promise<void> {
  try {
    await engine(HOST).post(`/containers/${id}/update`, {}, { Memory: limit, MemorySwap: limit });
    await act("start", [id]);
  } catch (error) {
    toastError(t("needs.raise.failed"), error);
  }
}
