import { describe, expect, it } from "vitest";
import { parseAnsi, settle, strip } from "../../src/views/logs/ansi";

const ESC = "\x1b";

describe("parseAnsi", () => {
  it("leaves plain text alone", () => expect(parseAnsi("hello")).toEqual([{ text: "hello", style: null }]));

  it("knows colours, weights and their end", () => {
    const pieces = parseAnsi(`a${ESC}[1;31mb${ESC}[39mc${ESC}[0md`);
    expect(pieces.map((piece) => [piece.text, piece.style?.fg ?? null, piece.style?.bold ?? false])).toEqual([["a", null, false], ["b", 1, true], ["c", null, true], ["d", null, false]]);
  });

  it("knows 256 colours, true colour and bright ones", () => {
    expect(parseAnsi(`${ESC}[38;5;196mx`)[0]?.style?.fg).toBe("rgb(255, 0, 0)");
    expect(parseAnsi(`${ESC}[38;5;9mx`)[0]?.style?.fg).toBe(9);
    expect(parseAnsi(`${ESC}[48;2;1;2;3mx`)[0]?.style?.bg).toBe("rgb(1, 2, 3)");
    expect(parseAnsi(`${ESC}[38:2:1:2:3mx`)[0]?.style?.fg).toBe("rgb(1, 2, 3)");
    expect(parseAnsi(`${ESC}[97;101mx`)[0]?.style).toMatchObject({ fg: 15, bg: 9 });
  });

  it("drops everything that is no colour", () => {
    const nasty = `${ESC}]0;title\x07a${ESC}]8;;javascript:alert(1)${ESC}\\link${ESC}]8;;${ESC}\\${ESC}[2J${ESC}[10;5Hb${ESC}(B${ESC}=c\x00\x08\x9b31md${ESC}]52;c;ZXZpbA==\x07`;
    expect(strip(nasty)).toBe("alinkbc31md");
    expect(parseAnsi(nasty).map((piece) => piece.text).join("")).toBe("alinkbc31md");
  });

  it("survives sequences that are cut off or absurd", () => {
    for (const text of [`${ESC}`, `${ESC}[`, `${ESC}[3`, `${ESC}]8;;x`, `${ESC}[38;5m`, `${ESC}[38;2;999;-1mx`, `${ESC}[${"1;".repeat(5000)}mx`]) expect(() => parseAnsi(text)).not.toThrow();
    expect(parseAnsi(`${ESC}[38;2;999;5;5mx`)[0]?.style?.fg).toBe("rgb(255, 5, 5)");
  });

  it("never makes a colour out of text", () => {
    for (const piece of parseAnsi(`${ESC}[38;2;url(x);1;2ma${ESC}[31;}body{mb`)) expect(String(piece.style?.fg ?? "")).toMatch(/^(\d*|rgb\([\d, ]+\))$/);
  });

  it("is linear in hostile input", () => {
    const start = performance.now();
    parseAnsi(`${ESC}]`.repeat(50_000));
    parseAnsi(`${ESC}[`.repeat(50_000));
    strip(`${ESC}[1;`.repeat(50_000));
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe("settle", () => {
  it("shows the last state of a progress bar", () => {
    expect(settle("10%\r50%\r100%")).toBe("100%");
    expect(settle("long text\rshort")).toBe("shorttext");
    expect(settle("windows line\r")).toBe("windows line");
  });
  it("expands tabs", () => expect(settle("a\tb\t\tc")).toBe("a       b               c"));
});
