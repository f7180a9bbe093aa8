/** Dark or light, English or Chinese. */
import { ActionIcon, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { type Lang, language, setLanguage, t } from "../../core/i18n";
import { useValue } from "../../core/store";
import { IconCheck, IconLanguage, IconMoon, IconSun } from "../../ui/icons";

export const LANGUAGES: [Lang, string][] = [["en", "English"], ["zh-CN", "简体中文"]];

export function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const label = scheme === "dark" ? t("scheme.light") : t("scheme.dark");
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")} data-testid="scheme-switch">
        {scheme === "dark" ? <IconSun /> : <IconMoon />}
      </ActionIcon>
    </Tooltip>
  );
}

export function LanguageSwitch() {
  const now = useValue(language);
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("language")} data-testid="language-switch"><IconLanguage /></ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {LANGUAGES.map(([lang, name]) => (
          <Menu.Item key={lang} lang={lang} onClick={() => setLanguage(lang)} rightSection={lang === now ? <IconCheck size={14} /> : null}>{name}</Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
