import { Alert, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { t } from "../../core/i18n";
import { currentPlace, go } from "../../core/router";
import { signIn } from "../../core/session";
import { wordsOf } from "../../ui/toast";
import { Card } from "./Card";

export function SignInPage() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signIn(name, password);
      if (["/setup", "/sign-in", "/"].includes(currentPlace().path)) go("/containers", { replace: true });
    } catch (error) {
      setProblem(wordsOf(error));
      setBusy(false);
    }
  };
  return (
    <Card title={t("signin.title")}>
      <form onSubmit={(event) => void submit(event)} data-testid="signin-form">
        <Stack gap="md" mt="lg">
          {problem && <Alert color="red" role="alert" title={problem} data-testid="form-error" />}
          <TextInput label={t("user.name")} value={name} onChange={(e) => setName(e.currentTarget.value)} autoComplete="username" required withAsterisk={false} autoFocus data-testid="signin-name" />
          <PasswordInput label={t("user.password")} value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoComplete="current-password" required withAsterisk={false} data-testid="signin-password" visibilityToggleButtonProps={{ "aria-label": t("password.show") }} />
          <Button type="submit" loading={busy} data-testid="signin-submit">{t("signin.submit")}</Button>
        </Stack>
      </form>
    </Card>
  );
}
