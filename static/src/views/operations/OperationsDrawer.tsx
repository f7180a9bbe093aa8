/** What the server is doing for the team, and did lately. */
import { ActionIcon, Button, Drawer, Progress, Text, Tooltip } from "@mantine/core";
import { useState } from "react";
import { useNow } from "../../core/clock";
import { ago, dateTime } from "../../core/format";
import { t } from "../../core/i18n";
import { type Operation, operations } from "../../core/live";
import { cancelOperation, isOver, shareOf } from "../../core/operations";
import { useRows, useValue, Value } from "../../core/store";
import { IconActivity, IconBad, IconBan, IconChevronDown, IconChevronRight, IconClose, IconOk } from "../../ui/icons";
import { toastError } from "../../ui/toast";
import { PullProgress } from "./PullProgress";
import "./operations.css";

export const operationsOpen = new Value(false);

export function OperationsDrawer() {
  const opened = useValue(operationsOpen);
  const rows = [...useRows(operations)].sort((a, b) => (a.created < b.created ? 1 : -1));
  return (
    <Drawer opened={opened} onClose={() => operationsOpen.set(false)} position="right" title={t("operations.title")} size="md" data-testid="operations">
      {rows.length === 0 ? (
        <div className="empty"><IconActivity size={32} /><p>{t("operations.none")}</p></div>
      ) : rows.map((row) => <Item key={row.id} operation={row} />)}
    </Drawer>
  );
}

function Item({ operation }: { operation: Operation }) {
  const [open, setOpen] = useState(!isOver(operation));
  const now = useNow();
  const share = shareOf(operation);
  const cancel = () => cancelOperation(operation.id).catch((error: unknown) => toastError(t("operation.cancel.failed"), error));
  return (
    <section className="operation" data-testid="operation" data-id={operation.id} data-state={operation.state}>
      <div className="operation-head">
        <StateIcon operation={operation} />
        <button type="button" className="operation-title nowrap" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />} {operation.title}
        </button>
        <Text size="xs" c="dimmed" className="nowrap" title={dateTime(operation.created)}>{ago(Date.parse(operation.created), now)}</Text>
        {!isOver(operation) && (
          <Tooltip label={t("cancel")}>
            <ActionIcon variant="subtle" color="gray" aria-label={`${t("cancel")}: ${operation.title}`} onClick={() => void cancel()} data-testid="operation-cancel"><IconClose size={15} /></ActionIcon>
          </Tooltip>
        )}
      </div>
      {!open && operation.error && <Text size="xs" className="operation-error">{operation.error}</Text>}
      {!open && !isOver(operation) && <Progress size="xs" value={(share ?? 0) * 100} aria-label={operation.title} />}
      {open && <PullProgress operation={operation} />}
      {open && operation.state === "failed" && operation.kind === "pull" && <Again operation={operation} />}
    </section>
  );
}

function Again({ operation }: { operation: Operation }) {
  const image = /\S+$/.exec(operation.title)?.[0];
  if (!image) return null;
  return <Button size="compact-sm" variant="default" component="a" href={`/images?pull=new&image=${encodeURIComponent(image)}`}>{t("retry")}</Button>;
}

function StateIcon({ operation }: { operation: Operation }) {
  if (operation.state === "done") return <IconOk size={17} className="tone-ok" />;
  if (operation.state === "failed") return <IconBad size={17} className="tone-bad" />;
  if (operation.state === "cancelled") return <IconBan size={17} className="dim" />;
  return <IconActivity size={17} className="pulsing" />;
}
