/** Small tars in the browser: one file out of an answer of the archive API, some files into one (POSIX ustar; GNU long names). */

export interface TarFile {
  name: string;
  data: Uint8Array;
  mode?: number;
  uid?: number;
  gid?: number;
  /** Milliseconds since 1970. */
  mtime?: number;
}
const BLOCK = 512;

/** The first regular file of a tar; null if there is none, or its data is not whole. */
export function firstFile(tar: Uint8Array): TarFile | null {
  let longName = "";
  for (let at = 0; at + BLOCK <= tar.length; ) {
    const head = tar.subarray(at, at + BLOCK);
    if (head.every((byte) => byte === 0)) return null;
    const size = numberAt(head, 124, 12);
    const type = String.fromCharCode(head[156] ?? 0);
    const data = tar.subarray(at + BLOCK, at + BLOCK + size);
    if (type === "0" || type === "\0") {
      if (data.length < size) return null;
      return { name: longName || textAt(head, 0, 100), data, mode: numberAt(head, 100, 8), uid: numberAt(head, 108, 8), gid: numberAt(head, 116, 8), mtime: numberAt(head, 136, 12) * 1000 };
    }
    if (type === "L") longName = textAt(data, 0, data.length);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return null;
}

export function writeTar(files: readonly TarFile[]): Blob {
  const parts: BlobPart[] = [];
  for (const file of files) {
    const name = new TextEncoder().encode(file.name);
    if (name.length > 100) parts.push(header("././@LongLink", name.length + 1, "L", {}), padded(new Uint8Array([...name, 0])));
    parts.push(header(file.name, file.data.length, "0", file), padded(file.data));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: "application/x-tar" });
}

function header(name: string, size: number, type: string, { mode = 0o644, uid = 0, gid = 0, mtime = Date.now() }: Partial<TarFile>): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(BLOCK);
  const put = (at: number, text: string | Uint8Array) => head.set(typeof text === "string" ? new TextEncoder().encode(text) : text, at);
  const octal = (value: number, digits: number) => `${Math.floor(value).toString(8).padStart(digits, "0")}\0`;
  put(0, new TextEncoder().encode(name).subarray(0, 100));
  put(100, octal(mode & 0o7777, 7));
  put(108, octal(uid, 7));
  put(116, octal(gid, 7));
  put(124, octal(size, 11));
  put(136, octal(mtime / 1000, 11));
  put(148, "        ");
  put(156, type);
  put(257, "ustar\x0000");
  put(148, `${head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `);
  return head;
}

function padded(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(Math.ceil(data.length / BLOCK) * BLOCK);
  whole.set(data);
  return whole;
}

function textAt(data: Uint8Array, at: number, size: number): string {
  const field = data.subarray(at, at + size);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function numberAt(head: Uint8Array, at: number, size: number): number {
  return parseInt(textAt(head, at, size).trim() || "0", 8) || 0;
}

/** The text of a file; null where it is binary. */
export function textOfFile(data: Uint8Array): string | null {
  if (data.subarray(0, 8192).includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return null;
  }
}
