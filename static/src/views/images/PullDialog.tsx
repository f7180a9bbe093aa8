/** Pull an image and watch its layers. The operation's id is in the address, so a reload shows it again. */
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { ApiError } from "../../core/api";
import { t } from "../../core/i18n";
import { operations } from "../../core/live";
import { cancelOperation, isOver, startPull } from "../../core/operations";
import { go, setQuery } from "../../core/router";
import { useReady, useRow } from "../../core/store";
import { IconPlay } from "../../ui/icons";
import { toastError, wordsOf } from "../../ui/toast";
import { PullProgress } from "../operations/PullProgress";

const close = () => setQuery({ pull: null, image: null });

export function PullDialog({ which, image }: { which: string; image: string }) {
  return (
    <Modal opened onClose={close} title={t("pull.title")} size="lg" data-testid="pull-dialog">
      {which === "new" ? <Ask image={image} /> : <Watch id={which} />}
    </Modal>
  );
}

function Ask({ image: first }: { image: string }) {
  const [image, setImage] = useState(first);
  const [platform, setPlatform] = useState("");
  const [problem, setProblem] = useState<{ field: string; message: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!image.trim()) return setProblem({ field: "image", message: t("run.err.image.needed") });
    setBusy(true);
    try {
      const operation = await startPull(image.trim(), platform.trim() || undefined);
      setQuery({ pull: operation.id, image: null });
    } catch (error) {
      const field = error instanceof ApiError && /platform/.test(error.field ?? "") ? "platform" : "image";
      setProblem({ field, message: wordsOf(error) });
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} noValidate data-testid="pull-form">
      <Stack>
        <TextInput label={t("run.image")} placeholder="nginx:1.27" value={image} onChange={(e) => setImage(e.currentTarget.value)} error={problem?.field === "image" ? problem.message : null} spellCheck={false} data-autofocus data-testid="pull-image" />
        <TextInput label={t("pull.platform")} placeholder="linux/arm64" description={t("pull.platform.hint")} value={platform} onChange={(e) => setPlatform(e.currentTarget.value)} error={problem?.field === "platform" ? problem.message : null} spellCheck={false} data-testid="pull-platform" />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>{t("cancel")}</Button>
          <Button type="submit" loading={busy} data-testid="pull-submit">{t("pull.submit")}</Button>
        </Group>
      </Stack>
    </form>
  );
}

function Watch({ id }: { id: string }) {
  const operation = useRow(operations, id);
  const ready = useReady(operations);
  const [cancelling, setCancelling] = useState(false);
  useEffect(() => {
    if (ready && !operation) close();
  }, [ready, operation]);
  if (!operation) return <Text size="sm" c="dimmed">{t("loading")}</Text>;
  const image = /\S+$/.exec(operation.title)?.[0] ?? "";
  const cancel = () => {
    setCancelling(true);
    cancelOperation(id).catch((error: unknown) => toastError(t("operation.cancel.failed"), error)).finally(() => setCancelling(false));
  };
  return (
    <Stack>
      <PullProgress operation={operation} />
      {!isOver(operation) && <Text size="xs" c="dimmed">{t("pull.background")}</Text>}
      <Group justify="flex-end">
        {isOver(operation) ? (
          <>
            {operation.state !== "done" && <Button variant="default" onClick={() => setQuery({ pull: "new", image })}>{t("retry")}</Button>}
            <Button variant="default" onClick={close} data-testid="pull-close">{t("close")}</Button>
            {operation.state === "done" && <Button leftSection={<IconPlay size={16} />} onClick={() => go(`/run?image=${encodeURIComponent(image)}`)} data-testid="pull-run">{t("images.run")}</Button>}
          </>
        ) : (
          <>
            <Button variant="default" loading={cancelling} onClick={cancel}>{t("pull.cancel")}</Button>
            <Button onClick={close} data-testid="pull-close">{t("pull.hide")}</Button>
          </>
        )}
      </Group>
    </Stack>
  );
}
