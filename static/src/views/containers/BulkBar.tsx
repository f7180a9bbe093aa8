import { Button, Group, Text } from "@mantine/core";
import type { ContainerRow } from "../../core/docker";
import { t } from "../../core/i18n";
import { containers } from "../../core/live";
import { may } from "../../core/rights";
import { useRows } from "../../core/store";
import { VerbIcon } from "../../ui/VerbIcon";
import { act, can, rightFor, VERBS } from "./actions";

export function BulkBar({ ids, onDone }: { ids: readonly string[]; onDone(): void }) {
  useRows(containers);
  const rows = ids.map((id) => containers.get(id)).filter((row): row is ContainerRow => row !== undefined);
  return (
    <Group gap={6} className="bulk" role="toolbar" aria-label={t("bulk.label")} data-testid="bulk">
      <Text size="sm" fw={600}>{t("bulk.selected", { n: ids.length })}</Text>
      {VERBS.filter((verb) => may(rightFor(verb))).map((verb) => {
        const count = rows.filter((row) => can(verb, row)).length;
        return (
          <Button
            key={verb}
            size="compact-sm"
            variant={verb === "remove" ? "light" : "default"}
            color={verb === "remove" ? "red" : undefined}
            leftSection={<VerbIcon verb={verb} size={14} />}
            disabled={count === 0}
            onClick={() => void act(verb, ids)}
            data-testid={`bulk-${verb}`}
          >
            {t(`verb.${verb}`)}{count > 0 && count < ids.length ? ` ${count}` : ""}
          </Button>
        );
      })}
      <Button size="compact-sm" variant="subtle" color="gray" onClick={onDone}>{t("bulk.clear")}</Button>
    </Group>
  );
}
