/** The first admin, made through the one-time link that the server printed. */
import { Alert, Button, Code, PasswordInput, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { ApiError } from "../../core/api";
import { t } from "../../core/i18n";
import { go, usePlace } from "../../core/router";
import { setUp } from "../../core/session";
import { wordsOf } from "../../ui/toast";
import { Card } from "./Card";

export const MIN_PASSWORD = 10;

export function SetupPage() {
  const token = usePlace().query.get("token") ?? "";
  const [name, setName] = useState("admin");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [problem, setProblem] = useState<{ field: string | null; message: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return setProblem({ field: "name", message: t("setup.name.needed") });
    if (password.length < MIN_PASSWORD) return setProblem({ field: "password", message: t("setup.password.short", { n: MIN_PASSWORD }) });
    if (password !== again) return setProblem({ field: "again", message: t("setup.password.differs") });
    setProblem(null);
    setBusy(true);
    try {
      await setUp(token, name.trim(), password);
      go("/containers", { replace: true });
    } catch (error) {
      setProblem({ field: error instanceof ApiError ? error.field : null, message: wordsOf(error) });
      setBusy(false);
    }
  };
  const at = (field: string) => (problem?.field === field ? problem.message : null);
  const general = problem && !["name", "password", "again"].includes(problem.field ?? "") ? problem.message : null;
  return (
    <Card title={t("setup.title")} lead={t("setup.lead")}>
      <form onSubmit={(event) => void submit(event)} data-testid="setup-form" noValidate>
        <Stack gap="md" mt="lg">
          {!token && <Alert color="yellow" title={t("setup.notoken")} />}
          {general && <Alert color="red" role="alert" title={general} data-testid="form-error" />}
          <TextInput label={t("user.name")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={at("name")} autoComplete="username" data-testid="setup-name" />
          <PasswordInput label={t("user.password")} description={t("setup.password.hint", { n: MIN_PASSWORD })} value={password} onChange={(e) => setPassword(e.currentTarget.value)} error={at("password")} autoComplete="new-password" data-autofocus data-testid="setup-password" visibilityToggleButtonProps={{ "aria-label": t("password.show") }} />
          <PasswordInput label={t("setup.password.again")} value={again} onChange={(e) => setAgain(e.currentTarget.value)} error={at("again")} autoComplete="new-password" data-testid="setup-password-again" visibilityToggleButtonProps={{ "aria-label": t("password.show") }} />
          <Button type="submit" loading={busy} disabled={!token} data-testid="setup-submit">{t("setup.submit")}</Button>
        </Stack>
      </form>
    </Card>
  );
}

/** Nobody has been made admin yet, and this browser has not come by the link. */
export function SetupMissing() {
  return (
    <Card title={t("setup.missing.title")} lead={<>{t("setup.missing.lead")} <Code>/setup?token=…</Code></>} />
  );
}
