/** Which columns the list shows: chosen by the user, kept in the browser. */
import { ActionIcon, Checkbox, Popover, Stack, Tooltip } from "@mantine/core";
import { type Key, t } from "../../core/i18n";
import { Preference } from "../../core/prefs";
import { useValue } from "../../core/store";
import { IconSliders } from "../../ui/icons";
import type { SortKey } from "./order";

export type ColumnId = "image" | "ports" | "stack" | "networks" | "command" | "status" | "created" | "cpu" | "mem" | "net";
interface Column {
  id: ColumnId;
  label: Key;
  width: string;
  sortKey: SortKey | null;
  /** Down to which width of the table it is shown: 2 wide, 1 middle, 0 always. */
  needs: 0 | 1 | 2;
}

export const COLUMNS: readonly Column[] = [
  { id: "image", label: "col.image", width: "minmax(100px, 1.2fr)", sortKey: "image", needs: 0 },
  { id: "stack", label: "col.stack", width: "minmax(80px, .7fr)", sortKey: null, needs: 1 },
  { id: "ports", label: "col.ports", width: "minmax(92px, .8fr)", sortKey: null, needs: 1 },
  { id: "networks", label: "col.networks", width: "minmax(90px, .8fr)", sortKey: null, needs: 2 },
  { id: "command", label: "col.command", width: "minmax(110px, 1fr)", sortKey: null, needs: 2 },
  { id: "status", label: "col.status", width: "minmax(110px, .9fr)", sortKey: null, needs: 2 },
  { id: "created", label: "col.created", width: "96px", sortKey: "created", needs: 2 },
  { id: "cpu", label: "col.cpu", width: "126px", sortKey: "cpu", needs: 0 },
  { id: "mem", label: "col.mem", width: "142px", sortKey: "mem", needs: 0 },
  { id: "net", label: "col.net", width: "104px", sortKey: null, needs: 1 },
];
const FIRST: ColumnId[] = ["image", "ports", "created", "cpu", "mem"];

export const chosenColumns = new Preference<ColumnId[]>("berth.containers.columns", FIRST);

export function useColumns(): readonly Column[] {
  const chosen = useValue(chosenColumns);
  return COLUMNS.filter((column) => chosen.includes(column.id));
}

/** Widths of the grid for a table that is narrow (0), middle (1) or wide (2). */
export function templateOf(columns: readonly Column[], room: 0 | 1 | 2): string {
  const name = room === 0 ? "120px minmax(120px, 1fr)" : "134px minmax(124px, 1.4fr)";
  const rest = columns.filter((column) => column.needs <= room).map(({ id, width }) => (room === 0 && (id === "cpu" || id === "mem") ? "76px" : width));
  return ["20px", name, ...rest, "128px"].join(" ");
}

export function ColumnChooser() {
  const chosen = useValue(chosenColumns);
  const toggle = (id: ColumnId) => chosenColumns.set(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  return (
    <Popover position="bottom-end" shadow="md" portalProps={{ target: "#overlays" }} trapFocus>
      <Popover.Target>
        <Tooltip label={t("columns.title")}><ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("columns.title")} data-testid="columns"><IconSliders /></ActionIcon></Tooltip>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("columns.title")}>
        <Stack gap={9} role="group" aria-label={t("columns.title")}>
          {COLUMNS.map(({ id, label }) => <Checkbox key={id} size="xs" label={t(label)} checked={chosen.includes(id)} onChange={() => toggle(id)} data-testid={`column-${id}`} />)}
          <button type="button" className="r-link plain" onClick={() => chosenColumns.set(FIRST)}>{t("columns.reset")}</button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
