/** The filter box and the chips that write into it. */
import { ActionIcon, Kbd, TextInput, Tooltip } from "@mantine/core";
import { type RefObject, useEffect, useState } from "react";
import type { State } from "../../core/docker";
import { t } from "../../core/i18n";
import { containers } from "../../core/live";
import { useRows } from "../../core/store";
import { IconClose, IconFilter, IconKeyboard } from "../../ui/icons";

interface Props {
  text: string;
  onChange(text: string): void;
  input: RefObject<HTMLInputElement | null>;
  onHelp(): void;
}

export function FilterBox({ text, onChange, input, onHelp }: Props) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => onChange(typed), 120);
    return () => clearTimeout(timer);
  }, [typed, text, onChange]);
  const escape = (key: string) => {
    if (key === "Escape") {
      if (typed) setTyped("");
      else input.current?.blur();
    } else if (key === "ArrowDown" || key === "Enter") document.querySelector<HTMLElement>(".ctable-row")?.focus();
  };
  return (
    <div className="filter-box">
      <TextInput
        ref={input}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => escape(event.key)}
        placeholder={t("filter.placeholder")}
        aria-label={t("filter.label")}
        spellCheck={false}
        leftSection={<IconFilter size={16} />}
        rightSection={typed ? <ActionIcon variant="subtle" color="gray" size="sm" aria-label={t("filter.clear")} onClick={() => setTyped("")}><IconClose size={14} /></ActionIcon> : <Kbd size="xs">/</Kbd>}
        data-testid="filter"
      />
      <Tooltip label={t("keys.title")}>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("keys.title")} onClick={onHelp}><IconKeyboard /></ActionIcon>
      </Tooltip>
    </div>
  );
}

const CHIPS: readonly State[] = ["running", "paused", "restarting", "created", "exited"];

/** How many there are in each state; a click filters by it. */
export function StateChips({ text, onChange }: { text: string; onChange(text: string): void }) {
  const rows = useRows(containers);
  const counts = new Map<State, number>();
  for (const row of rows) counts.set(row.State, (counts.get(row.State) ?? 0) + 1);
  const active = /(?:^|\s)state:(\w+)(?=\s|$)/.exec(text)?.[1];
  const toggle = (state: State) => {
    const rest = text.replace(/(?:^|\s)state:\w+(?=\s|$)/, "").trim();
    onChange(active === state ? rest : `state:${state} ${rest}`.trim());
  };
  return (
    <div className="chips" role="group" aria-label={t("filter.bystate")}>
      {CHIPS.filter((state) => counts.get(state) || active === state).map((state) => (
        <button key={state} type="button" className="chip" aria-pressed={active === state} onClick={() => toggle(state)}>
          <span className="state" data-tone={state}><i aria-hidden="true" />{t(`state.${state}`)}</span> <b className="tabular">{counts.get(state) ?? 0}</b>
        </button>
      ))}
    </div>
  );
}
