/** The state of a container in a word and a colour; what is under way counts more than what was. */
import { exitCodeOf, healthOf, type State } from "../core/docker";
import { t } from "../core/i18n";
import { pending, doing } from "../views/containers/actions";
import { useRow } from "../core/store";
import { useSeconds } from "../core/clock";

export function StateBadge({ row }: { row: { Id: string; State: State; Status: string } }) {
  const under = useRow(pending, row.Id);
  if (under) return <Doing verb={under.held ? t("doing.remove.soon") : doing(under.verb)} since={under.since} />;
  const health = row.State === "running" ? healthOf(row) : null;
  const code = exitCodeOf(row);
  const tone = health === "unhealthy" ? "unhealthy" : row.State === "exited" && code ? "failed" : row.State;
  return (
    <span className="state" data-tone={tone} data-testid="state" data-state={row.State} title={row.Status}>
      <i aria-hidden="true" />
      {t(`state.${row.State}`)}
      {code !== null && code !== 0 && <b className="tabular"> {code}</b>}
      {health && <span className="state-health">{t(`health.${health}`)}</span>}
    </span>
  );
}

function Doing({ verb, since }: { verb: string; since: number }) {
  const seconds = Math.floor((useSeconds() - since) / 1000);
  return (
    <span className="state" data-tone="doing" data-testid="state" data-state="doing">
      <i aria-hidden="true" />
      {verb}{seconds >= 2 && <span className="tabular"> {t("seconds", { n: seconds })}</span>}
    </span>
  );
}
