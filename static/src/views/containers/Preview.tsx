/** Beside the form: the same container as a command, a Compose file and an API call; the command can be edited back. */
import { Alert, Button, SegmentedControl, Textarea } from "@mantine/core";
import { useEffect, useState } from "react";
import { t } from "../../core/i18n";
import { UnbalancedQuote } from "../../core/shell";
import { CopyButton } from "../../ui/copy";
import { createBody, dockerRun, type RunSpec } from "./runSpec";
import { composeOf, parseRun } from "./runText";

type Kind = "cli" | "compose" | "api";

export function Preview({ spec, body, onSpec }: { spec: RunSpec; body?: Record<string, unknown> | undefined; onSpec(spec: RunSpec): void }) {
  const [kind, setKind] = useState<Kind>("cli");
  const command = dockerRun(spec);
  const text = kind === "cli" ? command : kind === "compose" ? composeOf(spec) : JSON.stringify(body ?? createBody(spec), null, 2);
  return (
    <div className="panel run-preview">
      <div className="run-section-head">
        <SegmentedControl size="xs" aria-label={t("run.preview")} value={kind} onChange={(value) => setKind(value as Kind)} data={[{ value: "cli", label: "docker run" }, { value: "compose", label: "Compose" }, { value: "api", label: "API" }]} data-testid="run-preview-kind" />
        <CopyButton text={text} />
      </div>
      {kind === "cli" ? <Command text={command} onSpec={onSpec} /> : <pre tabIndex={0} aria-label={t("run.preview")} data-testid={`run-preview-${kind}`}>{text}</pre>}
    </div>
  );
}

function Command({ text, onSpec }: { text: string; onSpec(spec: RunSpec): void }) {
  const [typed, setTyped] = useState<string | null>(null);
  const [left, setLeft] = useState<string[]>([]);
  const [bad, setBad] = useState(false);
  useEffect(() => setTyped(null), [text]);
  const take = () => {
    if (typed === null) return;
    try {
      const found = parseRun(typed);
      setBad(found === null);
      setLeft(found?.unknown ?? []);
      if (found) {
        setTyped(null);
        onSpec(found.spec);
      }
    } catch (error) {
      if (!(error instanceof UnbalancedQuote)) throw error;
      setBad(true);
    }
  };
  if (typed === null) {
    return (
      <>
        <pre data-testid="run-preview" tabIndex={0} aria-label={t("run.preview")}>{text}</pre>
        {left.length > 0 && <Alert color="yellow" py={8} title={t("run.line.left")} data-testid="run-line-left">{left.join("  ")}</Alert>}
        <Button size="compact-sm" variant="subtle" onClick={() => { setTyped(text); setBad(false); }} data-testid="run-line-edit">{t("run.line.edit")}</Button>
      </>
    );
  }
  return (
    <div className="run-line">
      <Textarea autosize minRows={4} maxRows={16} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} aria-label={t("run.line.edit")} error={bad ? t("run.line.bad") : null} spellCheck={false} className="mono-input" data-autofocus data-testid="run-line" />
      <Button size="compact-sm" onClick={take} data-testid="run-line-take">{t("run.line.take")}</Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setTyped(null)}>{t("cancel")}</Button>
    </div>
  );
}
