/** Folders and files of a container or volume: look, open, edit, upload, download. The place is in the address (`?path=`). */
import { Alert, Badge, Button, FileButton, Skeleton } from "@mantine/core";
import { type DragEvent, useCallback, useEffect, useState } from "react";
import { useNow } from "../../core/clock";
import { ago, bytes, dateTime } from "../../core/format";
import { type Key, t } from "../../core/i18n";
import { useMay } from "../../core/rights";
import { setQuery, usePlace } from "../../core/router";
import { IconBox, IconChevronRight, IconDownload, IconExternal, IconLogs, IconRefresh, IconStack } from "../../ui/icons";
import { toastDone, toastError, wordsOf } from "../../ui/toast";
import { FileView } from "./FileView";
import { type FileEntry, type FileSource, type Folder, join, parentOf } from "./source";
import "./files.css";

const SHOWN = 1000;

export function FileBrowser({ source, version }: { source: FileSource; version?: unknown }) {
  const { query } = usePlace();
  const path = clean(query.get("path") ?? "/");
  const open = query.get("file");
  const [turn, setTurn] = useState(0);
  const { folder, error, marks } = useFolder(source, path, version, turn);
  const write = useMay("operate");
  const upload = useCallback(async (files: readonly File[]) => {
    if (!files.length) return;
    try {
      await source.write(path, await Promise.all(files.map(async (file) => ({ name: file.name, data: new Uint8Array(await file.arrayBuffer()), mtime: file.lastModified }))));
      toastDone(t("files.uploaded", { n: files.length }));
      setTurn((n) => n + 1);
    } catch (problem) {
      toastError(t("files.failed"), problem);
    }
  }, [source, path]);
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    if (write) void upload([...event.dataTransfer.files]);
  };
  if (open) return <FileView source={source} path={join(path, open)} entry={folder?.entries.find((one) => one.name === open) ?? null} editable={write} onClose={() => setQuery({ file: null })} />;
  return (
    <div className="files" data-over={over || undefined} onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop} data-testid="files">
      <div className="tools">
        <Crumbs path={path} />
        <div className="spread">
          <Button size="xs" variant="default" leftSection={<IconRefresh size={15} />} onClick={() => setTurn((n) => n + 1)} data-testid="files-again">{t("proc.again")}</Button>
          <Button size="xs" variant="default" component="a" href={source.tarUrl(path)} download leftSection={<IconDownload size={15} />}>{t("files.download")}</Button>
          {write && <FileButton multiple onChange={(files) => void upload(files)}>{(props) => <Button size="xs" leftSection={<IconExternal size={15} />} {...props} data-testid="files-upload">{t("files.upload")}</Button>}</FileButton>}
        </div>
      </div>
      {error && <Alert color="red" role="alert" title={error} data-testid="files-error" />}
      {!folder ? !error && <Skeleton height={200} role="status" aria-label={t("loading")} /> : <Names folder={folder} marks={marks} />}
    </div>
  );
}

function Crumbs({ path }: { path: string }) {
  const parts = path.split("/").filter(Boolean);
  return (
    <nav className="crumbs mono" aria-label={t("files.path")}>
      <button type="button" onClick={() => setQuery({ path: null }, {})}>/</button>
      {parts.map((part, i) => (
        <span key={i}><IconChevronRight size={13} /><button type="button" aria-current={i === parts.length - 1 ? "location" : undefined} onClick={() => setQuery({ path: `/${parts.slice(0, i + 1).join("/")}` }, {})}>{part}</button></span>
      ))}
    </nav>
  );
}

function Names({ folder, marks }: { folder: Folder; marks: Map<string, number> }) {
  const now = useNow();
  const sorted = [...folder.entries].sort((a, b) => Number(b.kind === "folder") - Number(a.kind === "folder") || a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (
    <div className="files-scroll" tabIndex={0} role="region" aria-label={folder.path}>
      <table className="files-table">
        <thead><tr><th>{t("col.name")}</th><th className="num">{t("files.size")}</th><th className="wide">{t("files.mode")}</th><th className="wide">{t("files.owner")}</th><th>{t("files.changed")}</th></tr></thead>
        <tbody>
          {folder.path !== "/" && <tr><td colSpan={5}><button type="button" className="file-name" onClick={() => setQuery({ path: parentOf(folder.path) === "/" ? null : parentOf(folder.path) }, {})}>.. <span className="dim">{t("files.up")}</span></button></td></tr>}
          {sorted.slice(0, SHOWN).map((entry) => <Name key={entry.name} entry={entry} folder={folder.path} mark={marks.get(join(folder.path, entry.name))} now={now} />)}
        </tbody>
      </table>
      {folder.entries.length === 0 && <p className="dim files-note">{t("files.empty")}</p>}
      {(folder.more || sorted.length > SHOWN) && <p className="dim files-note">{t("files.more", { n: Math.min(SHOWN, sorted.length) })}</p>}
    </div>
  );
}

function Name({ entry, folder, mark, now }: { entry: FileEntry; folder: string; mark: number | undefined; now: number }) {
  const opens = entry.kind === "folder" || entry.kind === "file" || entry.kind === "link";
  const open = () => setQuery(entry.kind === "file" ? { file: entry.name } : { path: join(folder, entry.name) }, {});
  const Icon = entry.kind === "folder" ? IconStack : entry.kind === "file" ? IconLogs : IconBox;
  return (
    <tr data-testid="file" data-name={entry.name} data-kind={entry.kind} data-mark={mark}>
      <td>
        <button type="button" className="file-name" disabled={!opens} onClick={open}><Icon size={15} /> <span className="mono">{entry.name}</span>{entry.link && <span className="dim mono"> → {entry.link}</span>}</button>
        {(mark === 0 || mark === 1) && entry.kind !== "folder" && <Badge size="xs" variant="outline" color={mark ? "teal" : "yellow"} c="var(--mantine-color-text)" ml={8}>{t(`files.mark.${mark}` as Key)}</Badge>}
      </td>
      <td className="num tabular">{entry.kind === "file" ? bytes(entry.size) : ""}</td>
      <td className="wide mono dim">{modeText(entry)}</td>
      <td className="wide tabular dim">{entry.uid}:{entry.gid}</td>
      <td className="dim" title={dateTime(entry.mtime)}>{ago(Date.parse(entry.mtime), now)}</td>
    </tr>
  );
}

export function modeText({ mode, kind }: { mode: number; kind: FileEntry["kind"] }): string {
  const letters = "rwxrwxrwx";
  const bits = [...letters].map((letter, i) => (mode & (1 << (8 - i)) ? letter : "-"));
  if (mode & 0o4000) bits[2] = mode & 0o100 ? "s" : "S";
  if (mode & 0o2000) bits[5] = mode & 0o010 ? "s" : "S";
  if (mode & 0o1000) bits[8] = mode & 0o001 ? "t" : "T";
  return ({ folder: "d", link: "l", device: "c", pipe: "p", socket: "s", file: "-" } as const)[kind] + bits.join("");
}

/** An absolute path without dot segments. */
export function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function useFolder(source: FileSource, path: string, version: unknown, turn: number) {
  const [state, setState] = useState<{ folder: Folder | null; error: string | null; marks: Map<string, number> }>({ folder: null, error: null, marks: new Map() });
  useEffect(() => {
    const stop = new AbortController();
    source.list(path, stop.signal).then(
      (folder) => setState((before) => ({ ...before, folder, error: null })),
      (problem: unknown) => {
        if (!stop.signal.aborted) setState((before) => ({ ...before, folder: null, error: wordsOf(problem) }));
      },
    );
    source.marks?.(stop.signal).then((marks) => setState((before) => ({ ...before, marks })), () => undefined);
    return () => stop.abort();
  }, [source, path, version, turn]);
  return state;
}
