/** A pull as it goes: the whole, and a bar for each layer. */
import { Alert, Progress, Text } from "@mantine/core";
import { bytes } from "../../core/format";
import { t } from "../../core/i18n";
import type { Layer, Operation } from "../../core/live";
import { shareOf } from "../../core/operations";
import "./operations.css";

export function PullProgress({ operation }: { operation: Operation }) {
  const layers = operation.progress?.layers ?? [];
  const share = shareOf(operation);
  const over = operation.state !== "running" && operation.state !== "queued";
  return (
    <div className="pull" data-testid="pull-progress" data-state={operation.state}>
      <div className="pull-head">
        <strong className="nowrap mono">{operation.title}</strong>
        <span className="dim tabular">{t(`operation.${operation.state}`)}{share !== null && !over ? ` · ${Math.round(share * 100)} %` : ""}</span>
      </div>
      <Progress
        value={(share ?? (over ? 1 : 0)) * 100}
        color={operation.state === "failed" ? "red" : operation.state === "cancelled" ? "gray" : operation.state === "done" ? "teal" : undefined}
        animated={!over && share === null}
        striped={!over && share === null}
        aria-label={operation.title}
      />
      {operation.error && <Alert color="red" role="alert" data-testid="pull-error">{operation.error}</Alert>}
      {layers.length > 0 && (
        <div className="pull-layers" role="list" aria-label={t("pull.layers")} tabIndex={0}>
          {layers.map((layer) => <LayerBar key={layer.id} layer={layer} />)}
        </div>
      )}
      {layers.length === 0 && operation.log.length > 0 && <Text size="xs" c="dimmed" className="mono">{operation.log.at(-1)}</Text>}
    </div>
  );
}

function LayerBar({ layer }: { layer: Layer }) {
  const done = /complete|exists/i.test(layer.status);
  const share = layer.total > 0 ? Math.min(1, layer.current / layer.total) : done ? 1 : 0;
  const value = /complete|exists|verifying/i.test(layer.status) && !/download/i.test(layer.status) ? 1 : share;
  return (
    <div className="pull-layer" role="listitem" data-testid="pull-layer" data-layer={layer.id}>
      <span className="mono">{layer.id.replace(/^sha256:/, "").slice(0, 12)}</span>
      <Progress size="sm" value={value * 100} color={done ? "teal" : undefined} aria-label={`${layer.id} ${layer.status}`} />
      <span className="dim nowrap">{layer.status}</span>
      <span className="dim tabular pull-bytes">{layer.total > 0 && !done ? `${bytes(layer.current)} / ${bytes(layer.total)}` : ""}</span>
    </div>
  );
}
