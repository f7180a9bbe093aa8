/** A shell in the container. The session lives on the server: it outlasts tabs, reloads and lost connections. */
import { Alert, Button, Group, NativeSelect, TextInput } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { t } from "../../core/i18n";
import { Preference } from "../../core/prefs";
import { useValue } from "../../core/store";
import { IconTerminal } from "../../ui/icons";
import { wordsOf } from "../../ui/toast";
import type { TabProps } from "./ContainerPage";
import { type Session, sessions } from "./terminalSession";

interface Prefs {
  shell: string;
}
const prefs = new Preference<Prefs>("berth.terminal", { shell: "auto" });
const SHELLS = ["auto", "bash", "ash", "sh"];

export function TerminalTab({ row }: TabProps) {
  const [session, setSession] = useState<Session | null>(() => sessions.find(row.Id));
  const [problem, setProblem] = useState<string | null>(null);
  const [user, setUser] = useState("");
  const [busy, setBusy] = useState(false);
  const { shell } = useValue(prefs);
  const asked = useRef(false);
  const box = useRef<HTMLDivElement>(null);
  const running = row.State === "running";

  const open = async (how: { shell: string; user: string }) => {
    setBusy(true);
    setProblem(null);
    setSession(null);
    // The empty frame is drawn by then: its size is the terminal's.
    await new Promise(requestAnimationFrame);
    try {
      setSession(await sessions.open(row.Id, how, box.current));
    } catch (error) {
      setProblem(wordsOf(error));
    }
    setBusy(false);
  };
  useEffect(() => {
    if (asked.current || session || !running) return;
    asked.current = true;
    sessions.restore(row.Id).then((found) => (found ? setSession(found) : open({ shell, user: "" })), () => open({ shell, user: "" }));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- opens by itself once, with what is chosen at that time
  }, [running, session]);

  const tools = (
    <div className="tools" role="toolbar" aria-label={t("terminal.tools")}>
      <NativeSelect size="xs" aria-label={t("terminal.shell")} value={shell} onChange={(e) => prefs.set({ shell: e.currentTarget.value })} data={SHELLS.map((value) => ({ value, label: value === "auto" ? t("terminal.auto") : value }))} data-testid="terminal-shell" />
      <TextInput size="xs" w={150} aria-label={t("run.user")} placeholder={t("terminal.user")} value={user} onChange={(e) => setUser(e.currentTarget.value)} spellCheck={false} data-testid="terminal-user" />
      <Button size="xs" variant="default" leftSection={<IconTerminal size={14} />} loading={busy} disabled={!running} data-testid="terminal-new" onClick={() => {
        if (session) sessions.close(session);
        void open({ shell, user });
      }}>{t("terminal.new")}</Button>
    </div>
  );
  return (
    <>
      {tools}
      {problem && <Alert color="red" role="alert" mb="sm" title={problem} data-testid="terminal-error" />}
      {session ? <Screen key={session.key} session={session} onAgain={() => { sessions.close(session); void open({ shell, user }); }} />
        : !running ? <div className="panel empty"><h2>{t("terminal.stopped")}</h2></div> : !problem && <div className="term" aria-busy="true" ref={box} />}
    </>
  );
}

function Screen({ session, onAgain }: { session: Session; onAgain(): void }) {
  const box = useRef<HTMLDivElement>(null);
  const ended = useValue(session.ended);
  useEffect(() => (box.current ? session.show(box.current) : undefined), [session]);
  return (
    <>
      <div className="term" ref={box} data-testid="terminal" data-term={session.term} role="group" aria-label={t("tab.terminal")} />
      {ended !== null && (
        <Group mt="xs" gap="sm" data-testid="terminal-ended">
          <span className="dim">{ended === "" ? t("terminal.lost") : t("terminal.ended", { code: ended })}</span>
          <Button size="compact-sm" variant="default" onClick={onAgain}>{t("terminal.again")}</Button>
        </Group>
      )}
    </>
  );
}
