/** Ctrl/Cmd-K: every page, container and image, and what can be done with them. */
import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { useMemo, useState } from "react";
import { nameOf, tagsOf } from "../../core/docker";
import { language, setLanguage, t } from "../../core/i18n";
import { containers, images } from "../../core/live";
import { go } from "../../core/router";
import { may } from "../../core/rights";
import { session, signOut } from "../../core/session";
import { useRows, useValue } from "../../core/store";
import { IconActivity, IconBox, IconKey, IconLanguage, IconLogout, IconLogs, IconMoon, IconPlay, IconPlus, IconPull, IconRefresh, IconSearch, IconStop, IconTerminal } from "../../ui/icons";
import { act, verbsFor } from "../containers/actions";
import { PAGES } from "./pages";
import { operationsOpen } from "../operations/OperationsDrawer";

const LIMIT = 12;

export function Palette() {
  const [query, setQuery] = useState("");
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const found = useFound(query);
  const fixed: SpotlightActionData[] = [
    ...PAGES.filter((one) => !one.right || may(one.right)).map(({ to, label, icon: Icon }) => ({ id: to, label: t(label), leftSection: <Icon size={18} />, onClick: () => go(to) })),
    { id: "volume-create", label: t("volumes.create"), leftSection: <IconPlus />, onClick: () => go("/volumes?new=1") },
    { id: "network-create", label: t("networks.create"), leftSection: <IconPlus />, onClick: () => go("/networks?new=1") },
    { id: "run", label: t("run.title"), leftSection: <IconPlus />, onClick: () => go("/run") },
    { id: "pull", label: t("pull.title"), leftSection: <IconPull />, onClick: () => go("/images?pull=new") },
    { id: "operations", label: t("operations.title"), leftSection: <IconActivity />, onClick: () => operationsOpen.set(true) },
    { id: "account", label: t("account.title"), leftSection: <IconKey />, onClick: () => go("/account") },
    { id: "scheme", label: scheme === "dark" ? t("scheme.light") : t("scheme.dark"), leftSection: <IconMoon />, onClick: () => setColorScheme(scheme === "dark" ? "light" : "dark") },
    { id: "language", label: language.get() === "en" ? "简体中文" : "English", leftSection: <IconLanguage />, onClick: () => setLanguage(language.get() === "en" ? "zh-CN" : "en") },
    { id: "signout", label: t("signout"), description: session.get()?.user?.name, leftSection: <IconLogout />, onClick: () => void signOut() },
  ];
  const matching = fixed.filter((one) => (one.label ?? "").toLowerCase().includes(query.trim().toLowerCase()));
  return (
    <Spotlight
      actions={[{ group: t("nav.go"), actions: matching }, ...found]}
      filter={(_query, actions) => actions}
      query={query}
      onQueryChange={setQuery}
      nothingFound={t("palette.nothing")}
      highlightQuery
      scrollable
      attributes={{ content: { "aria-label": t("palette.placeholder") } }}
      maxHeight={420}
      shortcut={["mod + K"]}
      tagsToIgnore={[]}
      searchProps={{ leftSection: <IconSearch />, placeholder: t("palette.placeholder"), "aria-label": t("palette.placeholder") }}
    />
  );
}

function useFound(query: string) {
  const rows = useRows(containers);
  const pictures = useRows(images);
  const lang = useValue(language);
  return useMemo(() => {
    const text = query.trim().toLowerCase();
    if (!text) return [];
    const groups: { group: string; actions: SpotlightActionData[] }[] = [];
    const hits = rows.filter((row) => nameOf(row).toLowerCase().includes(text) || row.Id.startsWith(text)).slice(0, LIMIT);
    const alone = hits.length <= 3;
    for (const row of hits) {
      const [name, to] = [nameOf(row), `/containers/${row.Id.slice(0, 12)}`];
      const actions: SpotlightActionData[] = [{ id: row.Id, label: name, description: `${row.Image} · ${row.Status}`, leftSection: <IconBox />, onClick: () => go(to) }];
      if (alone) {
        actions.push({ id: `${row.Id}-logs`, label: t("palette.logs", { name }), leftSection: <IconLogs />, onClick: () => go(`${to}/logs`) });
        if (row.State === "running") actions.push({ id: `${row.Id}-term`, label: t("palette.terminal", { name }), leftSection: <IconTerminal />, onClick: () => go(`${to}/terminal`) });
        const verbs = verbsFor(row);
        if (verbs.includes("start")) actions.push({ id: `${row.Id}-start`, label: t("palette.start", { name }), leftSection: <IconPlay />, onClick: () => void act("start", [row.Id]) });
        if (verbs.includes("stop")) actions.push({ id: `${row.Id}-stop`, label: t("palette.stop", { name }), leftSection: <IconStop />, onClick: () => void act("stop", [row.Id]) });
        if (verbs.includes("restart")) actions.push({ id: `${row.Id}-restart`, label: t("palette.restart", { name }), leftSection: <IconRefresh />, onClick: () => void act("restart", [row.Id]) });
      }
      groups.push({ group: `${t("nav.containers")} · ${name}`, actions });
    }
    const tags = pictures.flatMap(tagsOf).filter((tag) => tag.toLowerCase().includes(text)).slice(0, 6);
    if (tags.length) {
      groups.push({
        group: t("nav.images"),
        actions: tags.map((tag) => ({ id: `image-${tag}`, label: t("palette.run", { image: tag }), leftSection: <IconPlay />, onClick: () => go(`/run?image=${encodeURIComponent(tag)}`) })),
      });
    }
    return groups;
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the words change with the language
  }, [rows, pictures, query, lang]);
}
