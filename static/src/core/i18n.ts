/** Two catalogues, one function. Changing the language mounts the page anew, so plain `t()` is enough everywhere. */
import en from "../locales/en.json";
import zh from "../locales/zh-CN.json";
import { Value } from "./store";

export type Key = keyof typeof en;
export type Lang = "en" | "zh-CN";
type Vars = Record<string, string | number>;

const catalogues: Record<Lang, Record<Key, string>> = { en, "zh-CN": zh };
const STORED = "berth.lang";

export const language = new Value<Lang>(preferred());

export function setLanguage(lang: Lang): void {
  try {
    localStorage.setItem(STORED, lang);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  document.documentElement.lang = lang;
  language.set(lang);
}

/** The text of `key`; `{name}` is replaced by the variable, `{n|one|other}` picks a plural form by the variable `n`. */
export function t(key: Key, vars: Vars = {}): string {
  return fill(catalogues[language.get()][key] ?? en[key] ?? key, vars, language.get());
}

export function fill(text: string, vars: Vars, lang: Lang): string {
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, name: string, one?: string, other?: string) => {
    const value = vars[name];
    if (value === undefined) return whole;
    if (one === undefined) return typeof value === "number" ? value.toLocaleString(lang) : value;
    return (new Intl.PluralRules(lang).select(Number(value)) === "one" ? one : other) ?? "";
  });
}

function preferred(): Lang {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage is off.
  }
  if (stored === "en" || stored === "zh-CN") return stored;
  return typeof navigator !== "undefined" && /^zh/i.test(navigator.language) ? "zh-CN" : "en";
}
