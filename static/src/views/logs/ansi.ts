/** ANSI text into styled pieces. Only colours and weights are understood; every other control is dropped. No HTML is made here. */

export interface Style {
  fg: Colour | null;
  bg: Colour | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
}
/** 0-15 of the palette, or a CSS colour made of numbers only. */
export type Colour = number | `rgb(${number}, ${number}, ${number})`;

export interface Piece {
  text: string;
  style: Style | null;
}

const PLAIN: Style = { fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, inverse: false, strike: false };
// CSI … final, OSC/DCS/APC/PM/SOS … BEL or ST (or to the end, if cut off), two-byte escapes, and single controls but tab.
 
const CONTROL = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
 
const ANY_CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;
const TAB = 8;

/** What a line looks like after its carriage returns and backspaces: progress bars show their last state. */
export function settle(line: string): string {
  let text = line.endsWith("\r") ? line.replace(/\r+$/, "") : line;
  if (text.includes("\r")) text = overwrite(text);
  return text.includes("\t") ? expandTabs(text) : text;
}

/** The visible characters alone. */
export function strip(line: string): string {
  return ANY_CONTROL.test(line) ? line.replace(CONTROL, "") : line;
}

/** Pieces of one line, each with one style; the style starts plain at each line. */
export function parseAnsi(line: string): Piece[] {
  if (!ANY_CONTROL.test(line)) return line ? [{ text: line, style: null }] : [];
  const pieces: Piece[] = [];
  let style: Style | null = null;
  let at = 0;
  const push = (text: string) => {
    if (!text) return;
    const last = pieces[pieces.length - 1];
    if (last && last.style === style) last.text += text;
    else pieces.push({ text, style });
  };
  for (const match of line.matchAll(CONTROL)) {
    push(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m" && /^[\d;:]*$/.test(match[1] ?? "")) style = graphics(style, match[1] ?? "");
  }
  push(line.slice(at));
  return pieces;
}

function graphics(before: Style | null, params: string): Style | null {
  const style: Style = { ...(before ?? PLAIN) };
  const codes = params.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, i + 1);
      if (code === 38) style.fg = colour ?? style.fg;
      else style.bg = colour ?? style.bg;
      i += used;
    } else one(style, code);
  }
  return same(style, PLAIN) ? null : style;
}

function one(style: Style, code: number): void {
  if (code === 0) Object.assign(style, PLAIN);
  else if (code === 1) style.bold = true;
  else if (code === 2) style.dim = true;
  else if (code === 3) style.italic = true;
  else if (code === 4) style.underline = true;
  else if (code === 7) style.inverse = true;
  else if (code === 9) style.strike = true;
  else if (code === 22) style.bold = style.dim = false;
  else if (code === 23) style.italic = false;
  else if (code === 24) style.underline = false;
  else if (code === 27) style.inverse = false;
  else if (code === 29) style.strike = false;
  else if (code >= 30 && code <= 37) style.fg = code - 30;
  else if (code === 39) style.fg = null;
  else if (code >= 40 && code <= 47) style.bg = code - 40;
  else if (code === 49) style.bg = null;
  else if (code >= 90 && code <= 97) style.fg = code - 82;
  else if (code >= 100 && code <= 107) style.bg = code - 92;
}

/** The colour after 38/48, and how many numbers it took. */
function extended(codes: readonly number[], at: number): [Colour | null, number] {
  if (codes[at] === 5) {
    const n = codes[at + 1] ?? -1;
    return [n >= 0 && n < 16 ? n : n >= 16 && n < 256 ? cube(n) : null, 2];
  }
  if (codes[at] === 2) return [rgb(codes[at + 1] ?? 0, codes[at + 2] ?? 0, codes[at + 3] ?? 0), 4];
  return [null, 0];
}

function cube(n: number): Colour {
  if (n >= 232) return rgb((n - 232) * 10 + 8, (n - 232) * 10 + 8, (n - 232) * 10 + 8);
  const level = (v: number) => (v === 0 ? 0 : v * 40 + 55);
  const i = n - 16;
  return rgb(level(Math.floor(i / 36)), level(Math.floor(i / 6) % 6), level(i % 6));
}

function rgb(r: number, g: number, b: number): Colour {
  const byte = (v: number) => Math.max(0, Math.min(255, v));
  return `rgb(${byte(r)}, ${byte(g)}, ${byte(b)})`;
}

function same(a: Style, b: Style): boolean {
  return (Object.keys(b) as (keyof Style)[]).every((key) => a[key] === b[key]);
}

/** Each part after a carriage return writes over the one before, as a terminal does. */
function overwrite(text: string): string {
  const parts = text.split("\r").filter(Boolean);
  if (parts.some((part) => part.includes("\x1b"))) return parts[parts.length - 1] ?? "";
  return parts.reduce((shown, part) => part + shown.slice(part.length), "");
}

function expandTabs(text: string): string {
  let column = 0;
  let out = "";
  for (const part of text.split(/(\t)/)) {
    if (part === "\t") {
      const pad = TAB - (column % TAB);
      out += " ".repeat(pad);
      column += pad;
    } else {
      out += part;
      column += strip(part).length;
    }
  }
  return out;
}
