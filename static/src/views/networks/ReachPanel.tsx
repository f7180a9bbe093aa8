/** "Can A reach B?", answered with the reason. */
import { NativeSelect } from "@mantine/core";
import { nameOf, type NetworkRow } from "../../core/docker";
import { type Key, t } from "../../core/i18n";
import { containers } from "../../core/live";
import { setQuery, usePlace } from "../../core/router";
import { useRows } from "../../core/store";
import { IconBad, IconOk } from "../../ui/icons";
import { reach } from "./reach";

export function ReachPanel({ networks }: { networks: readonly NetworkRow[] }) {
  const rows = useRows(containers);
  const { query } = usePlace();
  const names = rows.map(nameOf).sort();
  const [a, b] = [query.get("from") ?? "", query.get("to") ?? ""];
  const [from, to] = [rows.find((row) => nameOf(row) === a), rows.find((row) => nameOf(row) === b)];
  const found = from && to ? reach(from, to, networks) : null;
  const choices = [{ value: "", label: t("reach.choose") }, ...names];
  return (
    <section className="panel reach" aria-label={t("reach.title")}>
      <h2>{t("reach.title")}</h2>
      <div className="reach-row">
        <NativeSelect aria-label={t("reach.from")} value={a} data={choices} onChange={(event) => setQuery({ from: event.currentTarget.value })} data-testid="reach-from" />
        <span aria-hidden="true">→</span>
        <NativeSelect aria-label={t("reach.to")} value={b} data={choices} onChange={(event) => setQuery({ to: event.currentTarget.value })} data-testid="reach-to" />
        <p role="status" className="reach-answer" data-testid="reach" data-yes={found?.yes}>
          {found && <>{found.yes ? <IconOk size={18} className="tone-ok" /> : <IconBad size={18} className="tone-bad" />} {t(`reach.${found.reason}` as Key, { a, b, one: found.names[0] ?? "", two: found.names[1] ?? "" })}</>}
        </p>
      </div>
    </section>
  );
}
