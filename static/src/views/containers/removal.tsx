/** Removing with a way back: nothing is sent to the engine until the countdown is over or cut short. */
import { Button, Group, Text } from "@mantine/core";
import { useSeconds } from "../../core/clock";
import { t } from "../../core/i18n";
import { useValue, Value } from "../../core/store";
import { IconTrash } from "../../ui/icons";

export const DELAY_MS = 8000;

interface Doomed {
  ids: readonly string[];
  name: string;
  /** Milliseconds since 1970. */
  due: number;
  timer: ReturnType<typeof setTimeout>;
  now(): void;
  keep(): void;
}
const doomed = new Value<readonly Doomed[]>([]);

/** Resolves to true when the time is over or cut short, to false when they are kept. */
export function countDown(ids: readonly string[], name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (go: boolean) => {
      clearTimeout(one.timer);
      doomed.set(doomed.get().filter((other) => other !== one));
      resolve(go);
    };
    const one: Doomed = { ids, name, due: Date.now() + DELAY_MS, timer: setTimeout(() => end(true), DELAY_MS), now: () => end(true), keep: () => end(false) };
    doomed.set([...doomed.get(), one]);
  });
}

export function UndoBar() {
  const all = useValue(doomed);
  return all.length ? <div className="undo" role="status" data-testid="undo">{all.map((one) => <Line key={one.due} one={one} />)}</div> : null;
}

function Line({ one }: { one: Doomed }) {
  const s = Math.max(0, Math.ceil((one.due - useSeconds()) / 1000));
  return (
    <Group gap="sm" wrap="nowrap" className="undo-line">
      <IconTrash size={16} />
      <div className="undo-text">
        <Text size="sm" fw={600} className="tabular">{one.ids.length > 1 ? t("undo.removing.many", { n: one.ids.length, s }) : t("undo.removing", { name: one.name, s })}</Text>
        <Text size="xs" c="dimmed">{t("undo.note")}</Text>
      </div>
      <Button size="compact-sm" onClick={one.keep} data-testid="undo-keep">{t("undo.keep")}</Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={one.now} data-testid="undo-now">{t("undo.now")}</Button>
    </Group>
  );
}
