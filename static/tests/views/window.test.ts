import { describe, expect, it } from "vitest";
import { browserOf } from "../../src/views/account/AccountPage";
import { windowOf } from "../../src/ui/virtual";

describe("windowOf", () => {
  it("covers the screen and a little more", () => expect(windowOf(5000, 500, 5000, 50)).toEqual({ start: 92, end: 118 }));
  it("stays inside the list", () => {
    expect(windowOf(0, 500, 3, 50)).toEqual({ start: 0, end: 3 });
    expect(windowOf(99_999, 500, 10, 50)).toEqual({ start: 10, end: 10 });
  });
});

describe("browserOf", () => {
  it.each([
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome 140 · Linux"],
    ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge 140 · Windows"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140 · macOS"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Safari 18 · iPhone"],
    ["", "–"],
  ])("%s", (agent, text) => expect(browserOf(agent)).toBe(text));
});
