/** The parts of the run form that have any number of rows. */
import { ActionIcon, Button, Checkbox, Modal, NativeSelect, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { type ClipboardEvent, useState } from "react";
import { t } from "../../core/i18n";
import { IconClipboard, IconPlus, IconTrash } from "../../ui/icons";
import { type Change, type Errors, Section } from "./RunPage";
import { parseEnv, type RunSpec } from "./runSpec";

interface Props {
  spec: RunSpec;
  change: Change;
  errors: Errors;
}

function replaced<T>(rows: readonly T[], at: number, changes: Partial<T>): T[] {
  return rows.map((row, i) => (i === at ? { ...row, ...changes } : row));
}

function without<T>(rows: readonly T[], at: number): T[] {
  return rows.filter((_, i) => i !== at);
}

function Add({ label, onClick, testid }: { label: string; onClick(): void; testid: string }) {
  return <Button variant="light" size="compact-sm" leftSection={<IconPlus size={14} />} onClick={onClick} data-testid={testid}>{label}</Button>;
}

function Drop({ label, onClick }: { label: string; onClick(): void }) {
  return <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} onClick={onClick}><IconTrash size={16} /></ActionIcon>;
}

export function PortRows({ spec, change, errors }: Props) {
  const set = (at: number, changes: Partial<RunSpec["ports"][number]>) => change({ ports: replaced(spec.ports, at, changes) });
  return (
    <Section title={t("run.ports")} aside={<Add label={t("run.ports.add")} testid="port-add" onClick={() => change({ ports: [...spec.ports, { host: "", container: "", protocol: "tcp" }] })} />}>
      {spec.ports.map((row, i) => (
        <div className="run-row run-row-ports" key={i}>
          <TextInput aria-label={t("run.port.host")} name={`ports.${i}.host`} placeholder={t("run.port.host.hint")} value={row.host} onChange={(e) => set(i, { host: e.currentTarget.value })} error={errors[`ports.${i}.host`]} data-testid="port-host" />
          <span className="run-arrow" aria-hidden="true">→</span>
          <TextInput aria-label={t("run.port.container")} name={`ports.${i}.container`} placeholder="80" inputMode="numeric" value={row.container} onChange={(e) => set(i, { container: e.currentTarget.value })} error={errors[`ports.${i}.container`]} data-testid="port-container" />
          <NativeSelect aria-label={t("run.port.protocol")} value={row.protocol} onChange={(e) => set(i, { protocol: e.currentTarget.value as "tcp" | "udp" })} data={["tcp", "udp"]} />
          <Drop label={t("run.ports.drop", { n: i + 1 })} onClick={() => change({ ports: without(spec.ports, i) })} />
        </div>
      ))}
    </Section>
  );
}

export function EnvRows({ spec, change, errors }: Props) {
  const [many, setMany] = useState(false);
  const set = (at: number, changes: Partial<RunSpec["env"][number]>) => change({ env: replaced(spec.env, at, changes) });
  /** Several lines pasted into a row become rows. */
  const paste = (event: ClipboardEvent<HTMLInputElement>, at: number) => {
    const text = event.clipboardData.getData("text");
    if (!/[\n=]/.test(text) || (!text.includes("\n") && spec.env[at]?.key)) return;
    event.preventDefault();
    change({ env: [...spec.env.slice(0, at), ...parseEnv(text), ...spec.env.slice(at + 1)] });
  };
  const aside = (
    <div className="run-asides">
      <Button variant="subtle" size="compact-sm" leftSection={<IconClipboard size={14} />} onClick={() => setMany(true)} data-testid="env-paste">{t("run.env.paste")}</Button>
      <Add label={t("run.env.add")} testid="env-add" onClick={() => change({ env: [...spec.env, { key: "", value: "" }] })} />
    </div>
  );
  return (
    <Section title={t("run.env")} aside={aside}>
      {spec.env.map((row, i) => (
        <div className="run-row run-row-env" key={i}>
          <TextInput aria-label={t("run.env.key")} name={`env.${i}.key`} placeholder="KEY" value={row.key} onPaste={(e) => paste(e, i)} onChange={(e) => set(i, { key: e.currentTarget.value })} error={errors[`env.${i}.key`]} spellCheck={false} className="mono-input" data-testid="env-key" />
          <TextInput aria-label={t("run.env.value")} placeholder={t("run.env.value")} value={row.value} onChange={(e) => set(i, { value: e.currentTarget.value })} spellCheck={false} className="mono-input" data-testid="env-value" />
          <Drop label={t("run.env.drop", { n: i + 1 })} onClick={() => change({ env: without(spec.env, i) })} />
        </div>
      ))}
      {many && <PasteEnv onClose={() => setMany(false)} onDone={(rows) => change({ env: [...spec.env.filter((row) => row.key), ...rows] })} />}
    </Section>
  );
}

function PasteEnv({ onClose, onDone }: { onClose(): void; onDone(rows: RunSpec["env"]): void }) {
  const [text, setText] = useState("");
  const rows = parseEnv(text);
  const take = () => {
    onDone(rows);
    onClose();
  };
  return (
    <Modal opened onClose={onClose} title={t("run.env.paste")} size="lg">
      <Stack>
        <Text size="sm" c="dimmed">{t("run.env.paste.lead")}</Text>
        <Textarea aria-label={t("run.env.paste")} autosize minRows={8} maxRows={18} value={text} onChange={(e) => setText(e.currentTarget.value)} placeholder={"DATABASE_URL=postgres://…\n# LOG_LEVEL=debug"} className="mono-input" data-autofocus data-testid="env-text" />
        <Button onClick={take} disabled={!rows.length} data-testid="env-take">{t("run.env.take", { n: rows.length })}</Button>
      </Stack>
    </Modal>
  );
}

export function VolumeRows({ spec, change, errors }: Props) {
  const set = (at: number, changes: Partial<RunSpec["volumes"][number]>) => change({ volumes: replaced(spec.volumes, at, changes) });
  return (
    <Section title={t("run.volumes")} aside={<Add label={t("run.volumes.add")} testid="volume-add" onClick={() => change({ volumes: [...spec.volumes, { source: "", target: "", readOnly: false }] })} />}>
      {spec.volumes.map((row, i) => (
        <div className="run-row run-row-volumes" key={i}>
          <TextInput aria-label={t("run.volume.source")} name={`volumes.${i}.source`} placeholder={t("run.volume.source.hint")} value={row.source} onChange={(e) => set(i, { source: e.currentTarget.value })} error={errors[`volumes.${i}.source`]} spellCheck={false} data-testid="volume-source" />
          <span className="run-arrow" aria-hidden="true">→</span>
          <TextInput aria-label={t("run.volume.target")} name={`volumes.${i}.target`} placeholder="/data" value={row.target} onChange={(e) => set(i, { target: e.currentTarget.value })} error={errors[`volumes.${i}.target`]} spellCheck={false} data-testid="volume-target" />
          <Checkbox label={t("run.volume.ro")} checked={row.readOnly} onChange={(e) => set(i, { readOnly: e.currentTarget.checked })} />
          <Drop label={t("run.volumes.drop", { n: i + 1 })} onClick={() => change({ volumes: without(spec.volumes, i) })} />
        </div>
      ))}
    </Section>
  );
}
