/** Colours and defaults of the components; the values that make every page readable (axe: contrast, names) are set here once. */
import { type CSSVariablesResolver, Combobox, createTheme, type MantineColorsTuple, Modal, Drawer, Tooltip, Menu } from "@mantine/core";
import { t } from "../core/i18n";

const sea: MantineColorsTuple = [
  "#e6f8fb", "#d0eef4", "#a3dce8", "#72c9db", "#4ab9d0", "#2fafc9", "#1a9bb6", "#0f7f97", "#0b6b80", "#075565",
];
const slate: MantineColorsTuple = [
  "#d7dee6", "#b6c1cd", "#94a2b2", "#6f8093", "#47566a", "#334155", "#233042", "#18222f", "#111923", "#0b1119",
];

// Menus and tooltips open inside the main landmark of the page.
const OVERLAYS = { target: "#overlays" };

export function makeTheme() {
  return createTheme({
    colors: { sea, dark: slate },
    primaryColor: "sea",
    primaryShade: { light: 8, dark: 8 },
    autoContrast: false,
    fontFamily: '"Inter Variable", -apple-system, BlinkMacSystemFont, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
    fontFamilyMonospace: '"JetBrains Mono Variable", ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
    headings: { fontWeight: "650" },
    defaultRadius: "md",
    cursorType: "pointer",
    respectReducedMotion: true,
    components: {
      Modal: Modal.extend({ defaultProps: { closeButtonProps: { "aria-label": t("close") }, centered: true, overlayProps: { blur: 2 } } }),
      Drawer: Drawer.extend({ defaultProps: { closeButtonProps: { "aria-label": t("close") }, overlayProps: { blur: 2 } } }),
      Tooltip: Tooltip.extend({ defaultProps: { openDelay: 350, withArrow: true, portalProps: OVERLAYS } }),
      Combobox: Combobox.extend({ defaultProps: { portalProps: OVERLAYS } }),
      Menu: Menu.extend({ defaultProps: { shadow: "md", radius: "md", position: "bottom-end", portalProps: OVERLAYS, withInitialFocusPlaceholder: false } }),
    },
  });
}

export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f5f7f9",
    "--mantine-color-text": "#16202b",
    "--mantine-color-dimmed": "#54616f",
    "--mantine-color-placeholder": "#667380",
    "--mantine-color-error": "#b02525",
    "--mantine-color-anchor": "#0b6b80",
    "--mantine-color-sea-light-color": "#075565",
    "--mantine-color-teal-light-color": "#066046",
    "--mantine-color-green-light-color": "#1d6b2c",
    "--mantine-color-red-light-color": "#a31f1f",
    "--mantine-color-yellow-light-color": "#7a4a00",
    "--mantine-color-orange-light-color": "#93400a",
    "--mantine-color-gray-light-color": "#3f4a55",
    "--mantine-color-blue-light-color": "#144f86",
    "--berth-panel": "#ffffff",
    "--berth-line": "#e1e6eb",
    "--berth-hover": "#eef2f5",
    "--berth-log": "#fbfcfd",
  },
  dark: {
    "--mantine-color-body": "#0d141d",
    "--mantine-color-text": "#dbe3ec",
    "--mantine-color-dimmed": "#97a6b6",
    "--mantine-color-placeholder": "#8494a5",
    "--mantine-color-error": "#ff9a9a",
    "--mantine-color-anchor": "#5cc8de",
    "--mantine-color-sea-light-color": "#8adbeb",
    "--mantine-color-red-light-color": "#ffa8a8",
    "--mantine-color-gray-light-color": "#c3ced9",
    "--mantine-color-default": "#18222f",
    "--mantine-color-default-border": "#2c3a4b",
    "--mantine-color-default-hover": "#1f2b3a",
    "--berth-panel": "#121b26",
    "--berth-line": "#233042",
    "--berth-hover": "#182330",
    "--berth-log": "#0a1018",
  },
});
