/** Every published port of this host that we see, by number. */
import { nameOf, publishedPorts } from "../../core/docker";
import { shortId } from "../../core/format";
import { t } from "../../core/i18n";
import { containers } from "../../core/live";
import { Link } from "../../core/router";
import { useRows } from "../../core/store";
import { PortLink } from "../containers/Row";

export function PortsTable() {
  const rows = useRows(containers);
  const ports = rows.flatMap((row) => publishedPorts(row.Ports).map((port) => ({ row, port }))).sort((a, b) => (a.port.PublicPort ?? 0) - (b.port.PublicPort ?? 0));
  if (!ports.length) return <div className="panel empty"><h2>{t("ports.none")}</h2></div>;
  return (
    <div className="files-scroll" tabIndex={0} role="region" aria-label={t("ports.title")}>
      <table className="files-table" data-testid="ports-table">
        <thead><tr><th>{t("run.port.host")}</th><th>{t("ports.address")}</th><th>{t("run.port.container")}</th><th>{t("over.container")}</th></tr></thead>
        <tbody>
          {ports.map(({ row, port }) => (
            <tr key={`${row.Id}${port.IP}${port.PublicPort}${port.Type}`} data-testid="port-row" data-port={port.PublicPort}>
              <td><PortLink port={port} /></td><td className="mono dim">{port.IP || "*"}</td><td className="tabular">{port.PrivatePort}/{port.Type}</td>
              <td><Link href={`/containers/${shortId(row.Id)}`} className="r-link">{nameOf(row)}</Link></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
