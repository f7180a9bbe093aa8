import { describe, expect, it } from "vitest";
import { firstFile, textOfFile, writeTar } from "../../src/core/tar";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());

describe("a tar", () => {
  it.each(["motd", "名字.txt", "x".repeat(150)])("comes back as it went: %s", async (name) => {
    const tar = await read(writeTar([{ name, data: bytesOf("hello\n"), mode: 0o640, uid: 5, gid: 6, mtime: 1_000_000 }]));
    expect(tar.length % 512).toBe(0);
    const found = firstFile(tar);
    expect(found).toMatchObject({ name, mode: 0o640, uid: 5, gid: 6, mtime: 1_000_000 });
    expect(textOfFile(found?.data ?? new Uint8Array())).toBe("hello\n");
  });
  it("has no first file when it is empty or cut", async () => {
    expect(firstFile(new Uint8Array(1024))).toBeNull();
    const tar = await read(writeTar([{ name: "a", data: new Uint8Array(2000) }]));
    expect(firstFile(tar.subarray(0, 1024))).toBeNull();
  });
});

it("binary is told from text", () => {
  expect(textOfFile(new Uint8Array([65, 0, 66]))).toBeNull();
  expect(textOfFile(new Uint8Array([0xff, 0xfe]))).toBeNull();
  expect(textOfFile(bytesOf("ü"))).toBe("ü");
});
