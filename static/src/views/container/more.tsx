/** What a container's menu has beside starting and stopping: edit, duplicate, rename, save as image, copy as text. */
import { Button, Checkbox, Group, Menu, Modal, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { engine } from "../../core/api";
import { type ContainerRow, type ImageDetail, nameOf } from "../../core/docker";
import { shortId } from "../../core/format";
import { t } from "../../core/i18n";
import { imagePath, withTag } from "../../core/imageRef";
import { HOST } from "../../core/live";
import { may } from "../../core/rights";
import { go } from "../../core/router";
import { Value } from "../../core/store";
import { useValue } from "../../core/store";
import { copyText } from "../../ui/copy";
import { IconClipboard, IconCopy, IconPhoto, IconSliders, IconCode } from "../../ui/icons";
import { toastDone, toastError, wordsOf } from "../../ui/toast";
import { type Definition, specOf } from "../containers/fromInspect";
import { dockerRun } from "../containers/runSpec";
import { composeOf } from "../containers/runText";

const dialog = new Value<{ kind: "rename" | "commit"; row: ContainerRow } | null>(null);

export function MoreItems({ row }: { row: ContainerRow }) {
  const id = shortId(row.Id);
  const deploy = may("deploy");
  return (
    <>
      {deploy && <Menu.Item leftSection={<IconSliders size={16} />} onClick={() => go(`/run?edit=${id}`)} data-testid="act-edit">{t("act.edit")}</Menu.Item>}
      {deploy && <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => go(`/run?from=${id}`)} data-testid="act-duplicate">{t("act.duplicate")}</Menu.Item>}
      {deploy && <Menu.Item leftSection={<IconCode size={16} />} onClick={() => dialog.set({ kind: "rename", row })} data-testid="act-rename">{t("act.rename")}</Menu.Item>}
      {deploy && <Menu.Item leftSection={<IconPhoto size={16} />} onClick={() => dialog.set({ kind: "commit", row })} data-testid="act-commit">{t("act.commit")}</Menu.Item>}
      <Menu.Item leftSection={<IconClipboard size={16} />} onClick={() => void copyAs(row, "run")} data-testid="act-copy-run">{t("act.copyrun")}</Menu.Item>
      <Menu.Item leftSection={<IconClipboard size={16} />} onClick={() => void copyAs(row, "compose")} data-testid="act-copy-compose">{t("act.copycompose")}</Menu.Item>
      <Menu.Divider />
    </>
  );
}

async function copyAs(row: ContainerRow, kind: "run" | "compose"): Promise<void> {
  try {
    const of = await engine(HOST).get<Definition>(`/containers/${row.Id}/json`);
    const image = await engine(HOST).get<ImageDetail>(`/images/${imagePath(of.Image)}/json`).catch(() => null);
    const spec = specOf(of, image);
    if (await copyText(kind === "run" ? dockerRun(spec) : composeOf(spec))) toastDone(t("act.copied"));
  } catch (error) {
    toastError(t("act.failed"), error);
  }
}

export function MoreDialogs() {
  const open = useValue(dialog);
  if (!open) return null;
  return open.kind === "rename" ? <Rename row={open.row} /> : <Commit row={open.row} />;
}

const close = () => dialog.set(null);

function Rename({ row }: { row: ContainerRow }) {
  const [name, setName] = useState(nameOf(row));
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await engine(HOST).post(`/containers/${row.Id}/rename`, { name: name.trim() });
      close();
    } catch (error) {
      setProblem(wordsOf(error));
    }
  };
  return (
    <Modal opened onClose={close} title={t("act.rename")} data-testid="rename-dialog">
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          <TextInput label={t("rename.label")} value={name} onChange={(event) => setName(event.currentTarget.value)} error={problem} spellCheck={false} data-autofocus data-testid="rename-name" />
          <Group justify="flex-end"><Button variant="default" onClick={close}>{t("cancel")}</Button><Button type="submit" data-testid="rename-submit">{t("done")}</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Commit({ row }: { row: ContainerRow }) {
  const [name, setName] = useState(`${nameOf(row)}:snapshot`);
  const [comment, setComment] = useState("");
  const [pause, setPause] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const full = withTag(name.trim());
    const at = full.lastIndexOf(":");
    try {
      await engine(HOST).post("/commit", { container: row.Id, repo: full.slice(0, at), tag: full.slice(at + 1), comment, pause: pause ? 1 : 0 }, {});
      toastDone(t("commit.done", { name: full }));
      close();
    } catch (error) {
      setProblem(wordsOf(error));
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={t("act.commit")} data-testid="commit-dialog">
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          <TextInput label={t("commit.repo")} value={name} onChange={(event) => setName(event.currentTarget.value)} error={problem} spellCheck={false} data-autofocus data-testid="commit-name" />
          <TextInput label={t("commit.comment")} value={comment} onChange={(event) => setComment(event.currentTarget.value)} />
          <Checkbox label={t("commit.pause")} checked={pause} onChange={(event) => setPause(event.currentTarget.checked)} />
          <Group justify="flex-end"><Button variant="default" onClick={close}>{t("cancel")}</Button><Button type="submit" loading={busy} data-testid="commit-submit">{t("done")}</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}
