/** One file: its text, to be changed and saved in place with its rights and owner. */
import { Alert, Button, Skeleton } from "@mantine/core";
import { type KeyboardEvent, useEffect, useState } from "react";
import { bytes } from "../../core/format";
import { t } from "../../core/i18n";
import { type TarFile, textOfFile } from "../../core/tar";
import { ask } from "../../ui/ask";
import { IconChevronLeft, IconDownload } from "../../ui/icons";
import { toastDone, toastError, wordsOf } from "../../ui/toast";
import { type FileEntry, type FileSource, parentOf } from "./source";

const MOST = 2 * 1024 ** 2;

interface Props {
  source: FileSource;
  path: string;
  entry: FileEntry | null;
  editable: boolean;
  onClose(): void;
}

export function FileView({ source, path, entry, editable, onClose }: Props) {
  const [file, setFile] = useState<TarFile | null>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const big = (entry?.size ?? 0) > MOST;
  useEffect(() => {
    if (big) return;
    const stop = new AbortController();
    source.read(path, stop.signal).then(setFile, (problem: unknown) => {
      if (!stop.signal.aborted) setError(wordsOf(problem));
    });
    return () => stop.abort();
  }, [source, path, big]);
  const text = file ? textOfFile(file.data) : null;
  const modified = typed !== null && typed !== text;
  const leave = async () => {
    if (!modified || (await ask({ title: t("files.discard"), body: path, confirm: t("files.close"), danger: true }))) onClose();
  };
  const save = async () => {
    if (typed === null || !file) return;
    setBusy(true);
    const next: TarFile = { ...file, name: path.slice(path.lastIndexOf("/") + 1), data: new TextEncoder().encode(typed), mtime: Date.now() };
    try {
      await source.write(parentOf(path), [next]);
      setFile(next);
      toastDone(t("files.saved", { name: next.name }));
    } catch (problem) {
      toastError(t("files.failed"), problem);
    }
    setBusy(false);
  };
  const keys = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
    event.preventDefault();
    if (modified) void save();
  };
  return (
    <div className="file-view" data-testid="file-view">
      <div className="tools">
        <Button size="xs" variant="subtle" color="gray" leftSection={<IconChevronLeft size={15} />} onClick={() => void leave()}>{t("files.close")}</Button>
        <span className="mono file-path">{path}</span>
        {modified && <span className="dim">{t("files.modified")}</span>}
        <div className="spread">
          <Button size="xs" variant="default" component="a" href={source.tarUrl(path)} download leftSection={<IconDownload size={15} />}>{t("files.download")}</Button>
          {editable && text !== null && <Button size="xs" disabled={!modified} loading={busy} onClick={() => void save()} data-testid="file-save">{t("files.save")}</Button>}
        </div>
      </div>
      {error && <Alert color="red" role="alert" title={error} />}
      {big ? <div className="panel empty"><p>{t("files.big", { size: bytes(entry?.size ?? 0) })}</p></div>
        : !file ? !error && <Skeleton height={240} role="status" aria-label={t("loading")} />
          : text === null ? <div className="panel empty"><p>{t("files.binary")}</p></div>
            : <textarea className="file-text mono" aria-label={path} spellCheck={false} readOnly={!editable} value={typed ?? text} onChange={(event) => setTyped(event.currentTarget.value)} onKeyDown={keys} data-testid="file-text" />}
    </div>
  );
}
