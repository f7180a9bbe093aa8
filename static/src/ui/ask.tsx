/** "Are you sure?" as a promise, for what cannot be undone. */
import { Button, Checkbox, Group, Modal, Stack, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { t } from "../core/i18n";
import { useValue, Value } from "../core/store";

export interface Question {
  title: string;
  body: ReactNode;
  confirm: string;
  danger?: boolean;
  /** A box to tick, with its first state. */
  option?: { label: string; checked: boolean };
}
interface Open extends Question {
  answer(result: { yes: boolean; option: boolean }): void;
}

const open = new Value<Open | null>(null);

/** Resolves to null for no, else to whether the option was ticked. */
export function ask(question: Question): Promise<{ option: boolean } | null> {
  return new Promise((resolve) => {
    open.get()?.answer({ yes: false, option: false });
    open.set({ ...question, answer: ({ yes, option }) => resolve(yes ? { option } : null) });
  });
}

export function Asker() {
  const question = useValue(open);
  return question ? <Dialog key={question.title} question={question} /> : null;
}

function Dialog({ question }: { question: Open }) {
  const [option, setOption] = useState(question.option?.checked ?? false);
  const done = (yes: boolean) => {
    open.set(null);
    question.answer({ yes, option });
  };
  return (
    <Modal opened onClose={() => done(false)} title={question.title} size="md" data-testid="ask">
      <Stack gap="md">
        <Text component="div" size="sm">{question.body}</Text>
        {question.option && (
          <Checkbox label={question.option.label} checked={option} onChange={(event) => setOption(event.currentTarget.checked)} />
        )}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={() => done(false)}>{t("cancel")}</Button>
          <Button color={question.danger ? "red" : undefined} onClick={() => done(true)} data-autofocus data-testid="ask-yes">
            {question.confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
