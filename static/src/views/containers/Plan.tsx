/** What making a container anew would do, before it is done: what changes, what stays, what is lost. */
import { Alert } from "@mantine/core";
import { useEffect, useState } from "react";
import { engine } from "../../core/api";
import { type Key, t } from "../../core/i18n";
import { HOST } from "../../core/live";
import { type Definition, differences } from "./fromInspect";
import type { RunSpec } from "./runSpec";

const LABELS: Partial<Record<keyof RunSpec, Key>> = {
  image: "run.image", name: "run.name", command: "run.command", env: "run.env", ports: "run.ports", volumes: "run.volumes", memory: "run.memory", cpus: "run.cpus", pids: "run.pids",
  restart: "run.restart", retries: "run.retries", hostname: "run.hostname", user: "run.user", workdir: "run.workdir", network: "run.network", tty: "run.tty", autoRemove: "run.autoremove",
};

export function Plan({ of, before, after }: { of: Definition; before: RunSpec; after: RunSpec }) {
  const changed = differences(before, after);
  const written = useWritten(of.Id);
  const kept = (of.Mounts ?? []).filter((one) => one.Type === "volume" && after.volumes.some((row) => row.source === one.Name));
  return (
    <section className="panel run-plan" aria-label={t("plan.title")} data-testid="plan">
      <h2>{t("plan.title")}</h2>
      {changed.length === 0 ? <p className="dim">{t("plan.same")}</p> : (
        <dl>
          {changed.map(({ field, before: was, after: becomes }) => (
            <div key={field} data-testid="plan-change" data-field={field}>
              <dt>{t(LABELS[field] ?? "run.more")}</dt>
              <dd className="mono">{was && <del>{was}</del>}{was && becomes && " "}{becomes ? <ins>{becomes}</ins> : <span className="dim">{t("none")}</span>}</dd>
            </div>
          ))}
        </dl>
      )}
      <Alert color={written ? "yellow" : "gray"} py={8} data-testid="plan-lost">{written === null ? t("plan.lost.unknown") : written === 0 ? t("plan.lost.none") : t("plan.lost", { n: written })}</Alert>
      {kept.length > 0 && <p className="dim">{t("plan.kept", { names: kept.map((one) => one.Name).join(", ") })}</p>}
      {of.State.Status === "running" && <p className="dim">{t("plan.stops")}</p>}
    </section>
  );
}

/** How many paths it wrote outside of volumes; null until known. */
function useWritten(id: string): number | null {
  const [count, setCount] = useState<number | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    engine(HOST).get<{ Kind: number }[] | null>(`/containers/${id}/changes`, {}, stop.signal).then((found) => setCount((found ?? []).filter((one) => one.Kind !== 0).length), () => undefined);
    return () => stop.abort();
  }, [id]);
  return count;
}
