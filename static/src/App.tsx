/** Theme, language and the choice between signing in and the pages. */
import { Button, Center, Loader, MantineProvider, Stack, Text } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { useEffect, useMemo } from "react";
import { language, t } from "./core/i18n";
import { usePlace } from "./core/router";
import { loadSession, session, sessionError } from "./core/session";
import { useValue } from "./core/store";
import { Asker } from "./ui/ask";
import { IconUnplugged } from "./ui/icons";
import { makeTheme, resolver } from "./ui/theme";
import { SetupMissing, SetupPage } from "./views/session/SetupPage";
import { SignInPage } from "./views/session/SignInPage";
import { Shell } from "./views/shell/Shell";

export function App() {
  const lang = useValue(language);
   
  const theme = useMemo(makeTheme, [lang]);
  return (
    <MantineProvider theme={theme} cssVariablesResolver={resolver} defaultColorScheme="auto">
      <Notifications position="bottom-right" limit={4} />
      <Gate key={lang} />
      <Asker />
    </MantineProvider>
  );
}

function Gate() {
  const who = useValue(session);
  const { path } = usePlace();
  if (!who) return <Waiting />;
  if (who.user) return <Shell />;
  if (who.setup_required) return path === "/setup" ? <SetupPage /> : <SetupMissing />;
  return <SignInPage />;
}

function Waiting() {
  const error = useValue(sessionError);
  useEffect(() => {
    if (error === null) return;
    const timer = setTimeout(() => void loadSession(), 2000);
    return () => clearTimeout(timer);
  });
  return (
    <Center h="100dvh" component="main">
      {error === null ? <Loader aria-label={t("loading")} /> : (
        <Stack align="center" gap="sm" role="alert">
          <IconUnplugged size={40} />
          <Text fw={600}>{t("web.unreachable")}</Text>
          {error && <Text size="sm" c="dimmed">{error}</Text>}
          <Button variant="default" onClick={() => void loadSession()}>{t("retry")}</Button>
        </Stack>
      )}
    </Center>
  );
}
