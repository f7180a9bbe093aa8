/** What can be done to containers, and what is being done right now. */
import { Text } from "@mantine/core";
import { engine } from "../../core/api";
import { type ContainerRow, nameOf, type State } from "../../core/docker";
import { t } from "../../core/i18n";
import { containers, HOST } from "../../core/live";
import { may, type Right } from "../../core/rights";
import { Collection } from "../../core/store";
import { ask } from "../../ui/ask";
import { toastError } from "../../ui/toast";
import { countDown } from "./removal";

export type Verb = "start" | "stop" | "restart" | "pause" | "unpause" | "kill" | "remove";
export const VERBS: readonly Verb[] = ["start", "stop", "restart", "pause", "unpause", "kill", "remove"];

/** One action under way on one container. */
export interface Pending {
  id: string;
  verb: Verb;
  /** Milliseconds since 1970. */
  since: number;
  /** Not yet sent to the engine: it can be taken back. */
  held?: boolean;
}
export const pending = new Collection<Pending>((one) => one.id);

const ALLOWED: Record<Verb, readonly State[]> = {
  start: ["created", "exited", "dead"],
  stop: ["running", "paused", "restarting"],
  restart: ["running", "exited", "created", "restarting", "paused"],
  pause: ["running"],
  unpause: ["paused"],
  kill: ["running", "paused", "restarting"],
  remove: ["created", "running", "paused", "restarting", "exited", "dead"],
};
const AT_ONCE = 4;

export function can(verb: Verb, row: { State: State }): boolean {
  return ALLOWED[verb].includes(row.State);
}

/** Which right a verb needs (docs: webui/gateway/rules.py). */
export function rightFor(verb: Verb): Right {
  return verb === "remove" ? "deploy" : "operate";
}

export function verbsFor(row: { State: State }): Verb[] {
  return VERBS.filter((verb) => can(verb, row));
}

/** "stopping…" */
export function doing(verb: Verb): string {
  return t(`doing.${verb}`);
}

/** Do it to those of `ids` whose state allows it; asks first where something is lost. */
export async function act(verb: Verb, ids: readonly string[]): Promise<void> {
  const rows = ids.map((id) => containers.get(id)).filter((row): row is ContainerRow => row !== undefined && can(verb, row) && !pending.get(row.Id));
  if (!rows.length || !may(rightFor(verb))) return;
  let volumes = false;
  if (verb === "remove" || verb === "kill" || (rows.length > 1 && verb === "stop")) {
    const answer = await confirmed(verb, rows);
    if (!answer) return;
    volumes = answer.option;
  }
  if (verb === "remove" && !(await kept(rows))) return;
  const queue = [...rows];
  const since = Date.now();
  pending.apply(rows.map((row) => ({ id: row.Id, verb, since })));
  const worker = async () => {
    for (let row = queue.shift(); row; row = queue.shift()) await one(verb, row, volumes);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Hold them back for the countdown; false when they are kept after all. */
async function kept(rows: readonly ContainerRow[]): Promise<boolean> {
  const since = Date.now();
  pending.apply(rows.map((row) => ({ id: row.Id, verb: "remove" as const, since, held: true })));
  const go = await countDown(rows.map((row) => row.Id), nameOf(rows[0] as ContainerRow));
  if (!go) pending.apply([], rows.map((row) => row.Id));
  return go;
}

async function one(verb: Verb, row: ContainerRow, volumes: boolean): Promise<void> {
  const api = engine(HOST);
  const path = `/containers/${row.Id}`;
  try {
    if (verb === "remove") await api.remove(path, { force: row.State === "running" || row.State === "paused" || row.State === "restarting" ? 1 : undefined, v: volumes ? 1 : undefined });
    else await api.post(`${path}/${verb}`);
    await pushed(row);
  } catch (error) {
    toastError(t(`failed.${verb}`, { name: nameOf(row) }), error);
  } finally {
    pending.apply([], [row.Id]);
  }
}

/** The answer may overtake the pushed row: hold the transient state until the row moved, a second at most. */
function pushed(before: ContainerRow): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      drop();
      resolve();
    };
    const timer = setTimeout(done, 1000);
    const drop = containers.watch(before.Id, done);
    if (containers.get(before.Id) !== before) done();
  });
}

function confirmed(verb: "remove" | "kill" | "stop" | Verb, rows: readonly ContainerRow[]) {
  const running = rows.filter((row) => row.State === "running" || row.State === "paused").length;
  const names = rows.slice(0, 8).map(nameOf);
  return ask({
    title: t(`ask.${verb as "remove" | "kill" | "stop"}`, { n: rows.length, name: names[0] ?? "" }),
    body: (
      <>
        {rows.length > 1 && <Text size="sm" className="mono" mb="xs">{names.join(", ")}{rows.length > names.length ? ` … +${rows.length - names.length}` : ""}</Text>}
        {verb === "remove" && running > 0 && <Text size="sm" c="red" fw={600}>{t("ask.remove.running", { n: running })}</Text>}
        <Text size="sm">{t(`ask.${verb as "remove" | "kill" | "stop"}.body`)}</Text>
      </>
    ),
    confirm: t(`verb.${verb}`),
    danger: verb !== "stop",
    ...(verb === "remove" ? { option: { label: t("ask.remove.volumes"), checked: false } } : {}),
  });
}
