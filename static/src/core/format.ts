/** Numbers and times as people read them. */
import { language, t } from "./i18n";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

interface Formats {
  lang: string;
  relative: Intl.RelativeTimeFormat;
  dateTime: Intl.DateTimeFormat;
}
let made: Formats | null = null;

/** Making a formatter costs more than a thousand uses of it. */
function formats(): Formats {
  const lang = language.get();
  if (made?.lang !== lang) {
    made = {
      lang,
      relative: new Intl.RelativeTimeFormat(lang, { numeric: "always", style: "short" }),
      dateTime: new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" }),
    };
  }
  return made;
}

/** Bytes in binary units, three significant digits: 1536 → "1.5 KiB". */
export function bytes(value: number): string {
  if (!Number.isFinite(value) || value < 0) return "–";
  let n = value;
  let unit = 0;
  while (n >= 1000 && unit < UNITS.length - 1) {
    n /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2;
  return `${trim(n.toFixed(digits))} ${UNITS[unit] ?? ""}`;
}

/** Percent of one core: "0.4 %", "12 %", "240 %". */
export function percent(value: number): string {
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** Time since, in the page's language: "5 minutes ago". */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = Math.round((thenMs - nowMs) / 1000);
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, "second"], [60, "minute"], [24, "hour"], [30, "day"], [12, "month"], [Infinity, "year"],
  ];
  let value = seconds;
  if (Math.abs(value) < 5) return t("time.now");
  for (const [size, unit] of steps) {
    if (Math.abs(value) < size) {
      return formats().relative.format(Math.round(value), unit);
    }
    value /= size;
  }
  return "–";
}

export function dateTime(value: string | number): string {
  const date = new Date(value);
  if (Number.isNaN(date.getTime()) || date.getFullYear() < 1971) return "–";
  return formats().dateTime.format(date);
}

export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
