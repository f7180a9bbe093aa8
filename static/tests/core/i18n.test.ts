import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fill } from "../../src/core/i18n";
import en from "../../src/locales/en.json";
import zh from "../../src/locales/zh-CN.json";

const SRC = join(import.meta.dirname, "../../src");

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : /\.tsx?$/.test(name) ? [readFileSync(path, "utf8")] : [];
  });
}

describe("catalogues", () => {
  it("have the same keys", () => expect(Object.keys(zh)).toEqual(Object.keys(en)));

  it("use the same variables", () => {
    const variables = (text: string) => [...new Set([...text.matchAll(/\{(\w+)/g)].map((match) => match[1]))].sort();
    for (const [key, text] of Object.entries(en)) expect([key, variables(zh[key as keyof typeof zh])]).toEqual([key, variables(text)]);
  });

  it("hold no text that nothing shows", () => {
    const all = sources(SRC).join("\n");
    const built = ["state.", "health.", "verb.", "doing.", "failed.", "operation.", "live.", "run.restart.", "ask.", "event.", "needs.", "files.mark.", "reach."];
    const unused = Object.keys(en).filter((key) => !all.includes(`"${key}"`) && !built.some((prefix) => key.startsWith(prefix)));
    expect(unused).toEqual([]);
  });
});

describe("fill", () => {
  it("puts variables in, numbers in the language's way", () => expect(fill("{a} of {n}", { a: "x", n: 12345 }, "en")).toBe("x of 12,345"));
  it("picks a plural form", () => {
    expect(fill("{n} {n|line|lines}", { n: 1 }, "en")).toBe("1 line");
    expect(fill("{n} {n|line|lines}", { n: 2 }, "en")).toBe("2 lines");
  });
  it("leaves what it does not know", () => expect(fill("{x}", {}, "en")).toBe("{x}"));
});
