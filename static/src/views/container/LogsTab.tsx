/** The live log of one container: the view, its tools, and the stream that feeds it. */
import { ActionIcon, Button, NativeSelect, TextInput, Tooltip } from "@mantine/core";
import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { nameOf } from "../../core/docker";
import { t } from "../../core/i18n";
import { HOST, stream } from "../../core/live";
import { Preference } from "../../core/prefs";
import { useValue } from "../../core/store";
import { CopyButton } from "../../ui/copy";
import { IconArrowDown, IconChevronDown, IconChevronUp, IconClock, IconDownload, IconFilter, IconPause, IconPlay, IconRegex, IconSearch, IconTrash, IconWrap } from "../../ui/icons";
import { toastError, wordsOf } from "../../ui/toast";
import { downloadLog } from "../logs/download";
import { LogView, type Status } from "../logs/LogView";
import { Resume } from "../logs/resume";
import type { TabProps } from "./ContainerPage";
import "../logs/logs.css";

interface Prefs {
  wrap: boolean;
  timestamps: boolean;
  stdout: boolean;
  stderr: boolean;
  tail: string;
}
const prefs = new Preference<Prefs>("berth.logs", { wrap: true, timestamps: true, stdout: true, stderr: true, tail: "10000" });
const IDLE: Status = { lines: 0, shown: 0, follow: true, behind: 0, hits: 0, current: 0, searching: false };

export function LogsTab({ row }: TabProps) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<LogView | null>(null);
  const [status, setStatus] = useState<Status>(IDLE);
  const [error, setError] = useState<string | null>(null);
  const chosen = useValue(prefs);
  const [onlyHits, setOnlyHits] = useState(false);
  const running = row.State === "running" || row.State === "paused" || row.State === "restarting";
  const feed = useRef(new Resume());

  useEffect(() => {
    if (!root.current) return;
    const made = new LogView(root.current, { skipped: (n) => t("logs.skipped", { n }) }, setStatus);
    view.current = made;
    feed.current.reset();
    return () => {
      view.current = null;
      made.destroy();
    };
  }, [row.Id, chosen.tail]);
  useEffect(() => {
    view.current?.setOptions({ wrap: chosen.wrap, timestamps: chosen.timestamps, stdout: chosen.stdout, stderr: chosen.stderr, onlyHits });
  }, [chosen, onlyHits, row.Id]);
  // A log that ended goes on when the container runs again: the effect subscribes anew from the last line.
  useEffect(() => follow(row.Id, chosen.tail, feed.current, view, setError), [row.Id, chosen.tail, running]);

  return (
    <div className="logs" data-testid="logs">
      <Tools view={view} status={status} onlyHits={onlyHits} setOnlyHits={setOnlyHits} name={nameOf(row)} id={row.Id} running={running} />
      {error && <div className="logs-error" role="alert">{error}</div>}
      <div className="logs-frame">
        <div ref={root} className="log" role="log" aria-live="off" aria-label={t("tab.logs")} tabIndex={0} data-testid="log-view" data-lines={status.lines} data-follow={status.follow} />
        {status.lines === 0 && !error && <div className="logs-empty dim">{running ? t("logs.waiting") : t("logs.none")}</div>}
        {!status.follow && (
          <Button className="logs-latest" size="compact-sm" radius="xl" leftSection={<IconArrowDown size={14} />} onClick={() => view.current?.setFollow(true)} data-testid="log-latest">
            {status.behind ? t("logs.behind", { n: status.behind }) : t("logs.latest")}
          </Button>
        )}
      </div>
    </div>
  );
}

/** Subscribe from the last line seen; returns the way out. */
function follow(id: string, tail: string, resume: Resume, view: RefObject<LogView | null>, setError: (text: string | null) => void): () => void {
  const stop = stream.subscribe(
    () => ({ topic: "logs", host: HOST, id, timestamps: true, tail: resume.since ? "all" : tail, ...(resume.since ? { since: resume.since } : {}) }),
    {
      frame: (frame, first) => {
        if (first) resume.restart();
        setError(null);
        if (frame.skipped) view.current?.gap(frame.skipped);
        if (typeof frame.lines === "string") view.current?.append(frame.lines, (time) => resume.accept(time));
      },
      end: (reason) => {
        if (reason) setError(reason);
        return reason !== null;
      },
      refused: (problem) => setError(wordsOf(problem)),
    },
  );
  return stop;
}

interface ToolProps {
  view: RefObject<LogView | null>;
  status: Status;
  onlyHits: boolean;
  setOnlyHits(on: boolean): void;
  name: string;
  id: string;
  running: boolean;
}

function Tools({ view, status, onlyHits, setOnlyHits, name, id }: ToolProps) {
  const chosen = useValue(prefs);
  const set = (changes: Partial<Prefs>) => prefs.set({ ...chosen, ...changes });
  const [loading, setLoading] = useState<number | null>(null);
  const download = async () => {
    setLoading(0);
    try {
      await downloadLog(id, name, setLoading);
    } catch (error) {
      toastError(t("logs.download.failed"), error);
    }
    setLoading(null);
  };
  return (
    <div className="tools" role="toolbar" aria-label={t("logs.tools")}>
      <Toggle on={!status.follow} label={status.follow ? t("logs.pause") : t("logs.follow")} onClick={() => view.current?.setFollow(!status.follow)} testid="log-follow">
        {status.follow ? <IconPause size={16} /> : <IconPlay size={16} />}
      </Toggle>
      <Search view={view} status={status} onlyHits={onlyHits} setOnlyHits={setOnlyHits} />
      <div className="spread">
        <span className="streams" role="group" aria-label={t("logs.streams")}>
          <Toggle on={chosen.stdout} label="stdout" onClick={() => set({ stdout: !chosen.stdout })} testid="log-stdout"><small>stdout</small></Toggle>
          <Toggle on={chosen.stderr} label="stderr" onClick={() => set({ stderr: !chosen.stderr })} testid="log-stderr"><small className="log-err-word">stderr</small></Toggle>
        </span>
        <Toggle on={chosen.timestamps} label={t("logs.timestamps")} onClick={() => set({ timestamps: !chosen.timestamps })} testid="log-times"><IconClock size={16} /></Toggle>
        <Toggle on={chosen.wrap} label={t("logs.wrap")} onClick={() => set({ wrap: !chosen.wrap })} testid="log-wrap"><IconWrap size={16} /></Toggle>
        <NativeSelect size="xs" aria-label={t("logs.tail")} value={chosen.tail} onChange={(e) => set({ tail: e.currentTarget.value })} data={[1000, 10_000, 100_000].map((n) => ({ value: String(n), label: t("logs.last", { n }) }))} data-testid="log-tail" />
        <Tooltip label={t("logs.clear")}><ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("logs.clear")} onClick={() => view.current?.clear()}><IconTrash size={16} /></ActionIcon></Tooltip>
        <CopyButton label={t("logs.copy")} text={() => view.current?.text(chosen.timestamps) ?? ""} />
        <Tooltip label={loading === null ? t("logs.download") : t("logs.downloading", { size: (loading / 1048576).toFixed(1) })}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("logs.download")} loading={loading !== null} onClick={() => void download()} data-testid="log-download"><IconDownload size={16} /></ActionIcon>
        </Tooltip>
      </div>
    </div>
  );
}

function Search({ view, status, onlyHits, setOnlyHits }: Pick<ToolProps, "view" | "status" | "onlyHits" | "setOnlyHits">) {
  const [text, setText] = useState("");
  const [regex, setRegex] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const box = useRef<HTMLInputElement>(null);
  const { tail } = useValue(prefs);
  // Another tail makes another view, which has to be told what is looked for.
  useEffect(() => {
    const timer = setTimeout(() => {
      try {
        view.current?.search({ text, regex });
        setProblem(null);
      } catch (error) {
        setProblem(error instanceof SyntaxError ? t("logs.regex.bad") : String(error));
      }
    }, text ? 90 : 0);
    return () => clearTimeout(timer);
  }, [text, regex, view, tail]);
  useEffect(() => {
    const find = (event: globalThis.KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (!((event.key === "f" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing))) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    window.addEventListener("keydown", find);
    return () => window.removeEventListener("keydown", find);
  }, []);
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Enter") view.current?.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") setText("");
    else return;
    event.preventDefault();
  };
  return (
    <>
      <TextInput
        ref={box} className="grow" size="xs" value={text} onChange={(e) => setText(e.currentTarget.value)} onKeyDown={keys} error={problem !== null} title={problem ?? undefined}
        placeholder={t("logs.search")} aria-label={t("logs.search")} leftSection={<IconSearch size={15} />} spellCheck={false} data-testid="log-search"
        rightSection={<Toggle on={regex} label={t("logs.regex")} onClick={() => setRegex(!regex)} testid="log-regex" small><IconRegex size={15} /></Toggle>}
      />
      {text && (
        <>
          <span className="count tabular" role="status" data-testid="log-count">{problem ?? t("logs.hits", { at: status.current, n: status.hits })}{status.searching ? "…" : ""}</span>
          <ActionIcon variant="subtle" color="gray" aria-label={t("logs.previous")} disabled={!status.hits} onClick={() => view.current?.step(-1)} data-testid="log-previous"><IconChevronUp size={16} /></ActionIcon>
          <ActionIcon variant="subtle" color="gray" aria-label={t("logs.next")} disabled={!status.hits} onClick={() => view.current?.step(1)} data-testid="log-next"><IconChevronDown size={16} /></ActionIcon>
          <Toggle on={onlyHits} label={t("logs.onlyhits")} onClick={() => setOnlyHits(!onlyHits)} testid="log-only"><IconFilter size={15} /></Toggle>
        </>
      )}
    </>
  );
}

function Toggle({ on, label, onClick, testid, small, children }: { on: boolean; label: string; onClick(): void; testid: string; small?: boolean; children: ReactNode }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant={on ? "light" : "subtle"} color={on ? undefined : "gray"} size={small ? "sm" : "lg"} aria-pressed={on} aria-label={label} onClick={onClick} data-testid={testid}>{children}</ActionIcon>
    </Tooltip>
  );
}
