import { describe, expect, it } from "vitest";
import { quote, split, UnbalancedQuote } from "../../src/core/shell";

describe("quote", () => {
  it.each([
    ["plain", "plain"],
    ["a-b_c.d/e:f=g,h@i%j+k", "a-b_c.d/e:f=g,h@i%j+k"],
    ["", "''"],
    ["two words", "'two words'"],
    ["it's", `'it'\\''s'`],
    ["$HOME", "'$HOME'"],
    ["a;rm -rf /", "'a;rm -rf /'"],
    ["*", "'*'"],
    ["line\nbreak", "'line\nbreak'"],
  ])("%j becomes %s", (word, quoted) => expect(quote(word)).toBe(quoted));
});

describe("split", () => {
  it.each([
    ["", []],
    ["  a   b ", ["a", "b"]],
    [`sh -c 'echo "hi there"'`, ["sh", "-c", `echo "hi there"`]],
    [`"a \\"b\\" $c" d\\ e`, [`a "b" $c`, "d e"]],
    [`''`, [""]],
    [`a''b`, ["ab"]],
  ])("%j", (text, words) => expect(split(text)).toEqual(words));

  it.each([`'open`, `"open`, `open\\`])("refuses %j", (text) => expect(() => split(text)).toThrow(UnbalancedQuote));

  it("undoes quote", () => {
    const words = ["a b", "it's", "", "\\", '"', "$x`y`", "plain"];
    expect(split(words.map(quote).join(" "))).toEqual(words);
  });
});
