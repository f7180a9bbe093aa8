/** Run a container: the form, the equivalent command beside it, the pull of a missing image on the way. */
import { Alert, Autocomplete, Button, NativeSelect, SimpleGrid, Skeleton, Switch, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useMemo, useState } from "react";
import { tagsOf } from "../../core/docker";
import { t } from "../../core/i18n";
import { isLocal } from "../../core/imageRef";
import { containers, images, operations } from "../../core/live";
import { may } from "../../core/rights";
import { go, usePlace } from "../../core/router";
import { useRow, useRows } from "../../core/store";
import { IconPlay } from "../../ui/icons";
import { PullProgress } from "../operations/PullProgress";
import { cancelOperation } from "../../core/operations";
import { bodyOver, differences, freePort } from "./fromInspect";
import { Plan } from "./Plan";
import { Preview } from "./Preview";
import { EnvRows, PortRows, VolumeRows } from "./RunRows";
import { EMPTY, type Problems, problemsOf, type Restart, type RunSpec } from "./runSpec";
import { useImageHints } from "./useImageHints";
import { useRun } from "./useRun";
import { type Template, useTemplate } from "./useTemplate";
import "./run.css";

const RESTARTS: readonly Restart[] = ["no", "always", "unless-stopped", "on-failure"];
export type Errors = Record<string, string | undefined>;
export type Change = (changes: Partial<RunSpec>) => void;

export function RunPage() {
  const { query } = usePlace();
  const [edit, from] = [query.get("edit") ?? "", query.get("from") ?? ""];
  const { template, error } = useTemplate(edit || from);
  if (!may("deploy")) return <div className="page"><div className="panel empty" data-testid="no-right"><h2>{t("right.none")}</h2><p>{t("right.none.lead")}</p></div></div>;
  if (error) return <div className="page"><Alert color="red" title={error} /></div>;
  if ((edit || from) && !template) return <div className="page"><Skeleton height={28} width={320} role="status" aria-label={t("loading")} /><Skeleton height={300} /></div>;
  const asked = query.get("image") ?? "";
  const first: RunSpec = !template ? { ...EMPTY, image: asked } : edit ? template.spec : { ...template.spec, name: "", ports: template.spec.ports.map((row) => ({ ...row, host: "" })) };
  return <Form key={`${edit}|${from}|${asked}`} first={first} asked={asked} old={edit ? template : null} />;
}

function Form({ first, asked, old }: { first: RunSpec; asked: string; old: Template | null }) {
  const [spec, setSpec] = useState<RunSpec>(first);
  const [tried, setTried] = useState(false);
  const run = useRun(old);
  const local = useRows(images);
  const suggestions = useMemo(() => [...new Set(local.flatMap(tagsOf))].sort(), [local]);
  const problems = useMemo(() => problemsOf(spec), [spec]);
  const errors = errorsOf(problems, tried, spec, run.failure);
  const change: Change = (changes) => {
    setSpec((before) => ({ ...before, ...changes }));
    run.forgive();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    const bad = Object.keys(problems)[0];
    if (bad) return document.querySelector<HTMLElement>(`[name="${bad}"]`)?.focus();
    const id = await run.start(spec);
    if (id) go(`/containers/${id.slice(0, 12)}/logs`);
  };
  const title = old ? t("edit.title", { name: first.name }) : t("run.title");
  return (
    <form className="page run-page" onSubmit={(event) => void submit(event)} noValidate data-testid="run-form">
      <div className="page-head"><h1>{title}</h1></div>
      <div className="run-columns">
        <div className="run-fields">
          {run.failure && !run.failure.field && <Alert color="red" role="alert" title={old ? t("edit.failed") : t("run.failed")} data-testid="run-error">{run.failure.message}</Alert>}
          <Section title={t("run.what")}>
            <Autocomplete
              label={t("run.image")} name="image" placeholder="nginx:1.27" value={spec.image} onChange={(image) => change({ image })} data={suggestions} limit={12}
              error={errors.image} description={spec.image && !problems.image && !isLocal(spec.image, local) ? t("run.image.pulled") : undefined}
              required spellCheck={false} autoFocus={!asked && !first.image} data-testid="run-image" comboboxProps={{ shadow: "md" }}
            />
            <SimpleGrid cols={{ base: 1, sm: 2 }}>
              <TextInput label={t("run.name")} name="name" placeholder={t("run.name.hint")} value={spec.name} onChange={(e) => change({ name: e.currentTarget.value })} error={errors.name} disabled={old !== null} spellCheck={false} data-testid="run-name" />
              <TextInput label={t("run.command")} name="command" placeholder={t("run.command.hint")} value={spec.command} onChange={(e) => change({ command: e.currentTarget.value })} error={errors.command} spellCheck={false} className="mono-input" data-testid="run-command" />
            </SimpleGrid>
          </Section>
          <PortRows spec={spec} change={change} errors={errors} />
          <EnvRows spec={spec} change={change} errors={errors} />
          <VolumeRows spec={spec} change={change} errors={errors} />
          <HostPathWarning spec={spec} />
          <Limits spec={spec} change={change} errors={errors} />
          <More spec={spec} change={change} errors={errors} />
        </div>
        <Side spec={spec} change={change} run={run} old={old} before={first} />
      </div>
    </form>
  );
}

/** Told before it is refused: host paths are for administrators, or for teams that were granted them. */
function HostPathWarning({ spec }: { spec: RunSpec }) {
  const paths = spec.volumes.map((row) => row.source).filter((source) => source.startsWith("/"));
  if (!paths.length || may("admin")) return null;
  return <Alert color="yellow" py={8} title={t("run.policy.host", { paths: paths.join(", ") })} data-testid="run-policy">{t("run.policy.host.lead")}</Alert>;
}

export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <fieldset className="panel run-section">
      <legend className="visually-hidden">{title}</legend>
      <div className="run-section-head"><h2 aria-hidden="true">{title}</h2>{aside}</div>
      {children}
    </fieldset>
  );
}

/** Host ports that containers of this team publish. */
function takenPorts(): Set<number> {
  return new Set(containers.all().flatMap((row) => (row.Ports ?? []).map((port) => port.PublicPort ?? 0)));
}

function Limits({ spec, change, errors }: { spec: RunSpec; change: Change; errors: Errors }) {
  return (
    <Section title={t("run.limits")}>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <TextInput label={t("run.memory")} name="memory" placeholder="512m" value={spec.memory} onChange={(e) => change({ memory: e.currentTarget.value })} error={errors.memory} data-testid="run-memory" />
        <TextInput label={t("run.cpus")} name="cpus" placeholder="1.5" inputMode="decimal" value={spec.cpus} onChange={(e) => change({ cpus: e.currentTarget.value })} error={errors.cpus} data-testid="run-cpus" />
        <TextInput label={t("run.pids")} name="pids" placeholder="200" inputMode="numeric" value={spec.pids} onChange={(e) => change({ pids: e.currentTarget.value })} error={errors.pids} data-testid="run-pids" />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NativeSelect label={t("run.restart")} name="restart" value={spec.restart} onChange={(e) => change({ restart: e.currentTarget.value as Restart })} data={RESTARTS.map((value) => ({ value, label: t(`run.restart.${value}`) }))} error={errors.restart} data-testid="run-restart" />
        {spec.restart === "on-failure" && <TextInput label={t("run.retries")} name="retries" placeholder="∞" inputMode="numeric" value={spec.retries} onChange={(e) => change({ retries: e.currentTarget.value })} error={errors.retries} />}
      </SimpleGrid>
    </Section>
  );
}

function More({ spec, change, errors }: { spec: RunSpec; change: Change; errors: Errors }) {
  return (
    <Section title={t("run.more")}>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput label={t("run.hostname")} name="hostname" value={spec.hostname} onChange={(e) => change({ hostname: e.currentTarget.value })} error={errors.hostname} />
        <TextInput label={t("run.user")} name="user" placeholder="1000:1000" value={spec.user} onChange={(e) => change({ user: e.currentTarget.value })} error={errors.user} />
        <TextInput label={t("run.workdir")} name="workdir" placeholder="/app" value={spec.workdir} onChange={(e) => change({ workdir: e.currentTarget.value })} error={errors.workdir} />
        <TextInput label={t("run.network")} name="network" placeholder="bridge" value={spec.network} onChange={(e) => change({ network: e.currentTarget.value })} error={errors.network} />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Switch label={t("run.tty")} checked={spec.tty} onChange={(e) => change({ tty: e.currentTarget.checked })} />
        <Switch label={t("run.autoremove")} checked={spec.autoRemove} onChange={(e) => change({ autoRemove: e.currentTarget.checked })} />
      </SimpleGrid>
    </Section>
  );
}

/** What the image itself says it listens on and keeps data in: one click takes it over. Last, so that nothing moves when it comes. */
function Hints({ spec, change }: { spec: RunSpec; change: Change }) {
  const hints = useImageHints(spec.image);
  const taken = takenPorts();
  const ports = hints.ports.filter((one) => !spec.ports.some((row) => row.container === one.port && row.protocol === one.protocol));
  const volumes = hints.volumes.filter((target) => !spec.volumes.some((row) => row.target === target));
  if (!ports.length && !volumes.length) return null;
  return (
    <div className="run-hints">
      <span className="dim">{t("run.hints")}</span>
      {ports.map((one) => (
        <Button key={`${one.port}/${one.protocol}`} size="compact-xs" variant="light" onClick={() => change({ ports: [...spec.ports.filter((row) => row.container), { host: String(freePort(Number(one.port), taken) || ""), container: one.port, protocol: one.protocol }] })}>
          {t("run.hint.port", { port: `${one.port}/${one.protocol}` })}
        </Button>
      ))}
      {volumes.map((target) => (
        <Button key={target} size="compact-xs" variant="light" onClick={() => change({ volumes: [...spec.volumes.filter((row) => row.target), { source: "", target, readOnly: false }] })}>
          {t("run.hint.volume", { path: target })}
        </Button>
      ))}
    </div>
  );
}

function Side({ spec, change, run, old, before }: { spec: RunSpec; change: Change; run: ReturnType<typeof useRun>; old: Template | null; before: RunSpec }) {
  const operation = useRow(operations, run.operation ?? "");
  const body = useMemo(() => (old ? bodyOver(old.of, spec, old.image) : undefined), [old, spec]);
  const label = run.step === "pull" ? t("run.pulling") : old ? t("edit.submit") : t("run.submit");
  return (
    <aside className="run-side">
      {old && <Plan of={old.of} before={before} after={spec} />}
      <Preview spec={spec} body={body} onSpec={(found) => change(old ? { ...found, name: spec.name } : found)} />
      {operation && run.step === "pull" && (
        <div className="panel run-pull">
          <PullProgress operation={operation} />
          <Button size="compact-sm" variant="default" onClick={() => void cancelOperation(operation.id)}>{t("cancel")}</Button>
        </div>
      )}
      <Button type="submit" size="md" leftSection={<IconPlay size={17} />} loading={run.step !== null && run.step !== "pull"} disabled={run.step === "pull" || (old !== null && differences(before, spec).length === 0)} data-testid="run-submit">{label}</Button>
      <Hints spec={spec} change={change} />
    </aside>
  );
}

/** Problems show once the form was sent, or at once where something was already typed. */
function errorsOf(problems: Problems, tried: boolean, spec: RunSpec, failure: { field: string | null; message: string } | null): Errors {
  const errors: Errors = {};
  for (const [field, key] of Object.entries(problems)) if (tried || (field !== "image" || spec.image.endsWith(" "))) errors[field] = t(key);
  if (!tried) delete errors.image;
  if (failure?.field) errors[failure.field] = failure.message;
  return errors;
}
