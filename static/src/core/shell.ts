/** POSIX shell words: quoting for display, splitting of what people type. Nothing here is ever run by a shell. */

/** One word as a shell would need it: bare where that is safe, else in single quotes. */
export function quote(word: string): string {
  if (word !== "" && /^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

export class UnbalancedQuote extends Error {
  override readonly name = "UnbalancedQuote";
}

/** Split like `sh` does without expansions: quotes and backslashes only. */
export function split(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let mode: "bare" | "single" | "double" = "bare";
  for (let at = 0; at < text.length; at++) {
    const ch = text.charAt(at);
    if (mode === "single") {
      if (ch === "'") mode = "bare";
      else word += ch;
    } else if (mode === "double") {
      if (ch === '"') mode = "bare";
      else if (ch === "\\" && '"\\$`'.includes(text.charAt(at + 1)) && at + 1 < text.length) word += text.charAt(++at);
      else word += ch;
    } else if (/\s/.test(ch)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (ch === "'" || ch === '"') {
      mode = ch === "'" ? "single" : "double";
      word ??= "";
    } else if (ch === "\\") {
      if (at + 1 >= text.length) throw new UnbalancedQuote();
      word = (word ?? "") + text.charAt(++at);
    } else word = (word ?? "") + ch;
  }
  if (mode !== "bare") throw new UnbalancedQuote();
  if (word !== null) words.push(word);
  return words;
}
