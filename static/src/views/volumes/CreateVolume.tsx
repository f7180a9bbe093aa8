/** Make a volume. The dialog is in the address (`?new=1`). */
import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { engine } from "../../core/api";
import type { VolumeRow } from "../../core/docker";
import { t } from "../../core/i18n";
import { HOST } from "../../core/live";
import { setQuery } from "../../core/router";
import { toastDone, wordsOf } from "../../ui/toast";

const close = () => setQuery({ new: null });

export function CreateVolume() {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const made = await engine(HOST).post<VolumeRow>("/volumes/create", {}, { Name: name.trim() });
      toastDone(t("volumes.created", { name: made.Name }));
      close();
    } catch (error) {
      setProblem(wordsOf(error));
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={t("volumes.create")} size="md" data-testid="volume-dialog">
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          <TextInput label={t("resource.name")} placeholder={t("volumes.create.hint")} value={name} onChange={(event) => setName(event.currentTarget.value)} error={problem} spellCheck={false} data-autofocus data-testid="volume-name" />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{t("cancel")}</Button>
            <Button type="submit" loading={busy} data-testid="volume-submit">{t("resource.create")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
