/** One event of the journal as a sentence: what, to which object, by whom, with its numbers. */
import { bytes, dateTime, ago, shortId } from "../core/format";
import { useNow } from "../core/clock";
import { type Key, t } from "../core/i18n";
import type { JournalEvent } from "../core/journal";
import { Link } from "../core/router";
import "./resources.css";
import "./events.css";

const KNOWN = new Set(["create", "start", "stop", "die", "kill", "destroy", "restart", "pause", "unpause", "rename", "oom", "update", "pull", "push", "tag", "untag", "delete", "import", "load", "commit", "connect", "disconnect", "remove", "mount", "unmount", "prune", "attach", "top", "export", "resize"]);

export function wordsOfAction(action: string): string {
  const [head = "", rest] = action.split(": ", 2);
  if (head === "health_status") return t("event.health", { state: rest ?? "" });
  if (head === "exec_create" || head === "exec_start") return t("event.exec", { command: rest ?? "" });
  if (head === "exec_die") return t("event.exec.end");
  return KNOWN.has(action) ? t(`event.${action}` as Key) : action;
}

export function toneOf({ Action: action, Actor }: JournalEvent): "ok" | "bad" | "warn" | "plain" {
  if (action === "oom" || action.endsWith(": unhealthy")) return "bad";
  if (action === "die") return Actor.Attributes?.exitCode === "0" ? "plain" : "bad";
  if (action === "start" || action.endsWith(": healthy") || action === "pull") return "ok";
  if (["destroy", "kill", "remove", "delete", "prune", "pause"].includes(action)) return "warn";
  return "plain";
}

export function nameOfEvent(event: JournalEvent): string {
  const { ID, Attributes } = event.Actor;
  return Attributes?.name ?? (/^(sha256:)?[0-9a-f]{64}$/.test(ID) ? shortId(ID) : ID);
}

/** Numbers that say more: exit code, memory at an out-of-memory kill. */
export function detailOf({ Action: action, Actor }: JournalEvent): string {
  const facts = Actor.Attributes ?? {};
  if (action === "die" && facts.exitCode) return t("over.code", { code: facts.exitCode });
  if (action === "oom" && facts.memoryLimit) return t("event.oom.detail", { limit: bytes(Number(facts.memoryLimit)), peak: bytes(Number(facts.memoryPeak ?? 0)) });
  if (action === "rename" && facts.oldName) return facts.oldName.replace(/^\//, "");
  if (action === "kill" && facts.signal) return t("event.signal", { signal: facts.signal });
  return "";
}

export function linkOf(event: JournalEvent): string | null {
  if (event.Type === "container") return `/containers/${shortId(event.Actor.ID)}`;
  if (event.Type === "image") return `/images?q=${encodeURIComponent(nameOfEvent(event))}`;
  if (event.Type === "volume") return `/volumes?q=${encodeURIComponent(event.Actor.ID)}`;
  return event.Type === "network" ? `/networks?q=${encodeURIComponent(nameOfEvent(event))}` : null;
}

export function EventLine({ event, plain = false }: { event: JournalEvent; plain?: boolean }) {
  const now = useNow();
  const at = event.timeNano / 1e6;
  const link = linkOf(event);
  const name = nameOfEvent(event);
  const detail = detailOf(event);
  return (
    <div className="event" role="listitem" data-tone={toneOf(event)} data-testid="event" data-action={event.Action} data-seq={event.berthSeq}>
      <i aria-hidden="true" />
      <time dateTime={new Date(at).toISOString()} title={dateTime(at)}>{ago(at, now)}</time>
      <span className="event-what">
        {!plain && <span className="dim">{t(`event.type.${event.Type}` as Key)} </span>}
        {!plain && (link ? <Link href={link} className="r-link">{name}</Link> : <b>{name}</b>)} {wordsOfAction(event.Action)}
        {detail && <span className="dim"> · {detail}</span>}
      </span>
      <span className="event-who dim nowrap">{event.berthActor ?? ""}</span>
    </div>
  );
}
