/** The last line a container wrote, from the Engine API's framed stream. */
import { engineUrl } from "../../core/api";
import { HOST } from "../../core/live";

export async function lastLine(id: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(engineUrl(HOST, `/containers/${id}/logs`, { stdout: 1, stderr: 1, tail: 1 }), { signal, credentials: "same-origin" });
  if (!response.ok) return "";
  return textOf(new Uint8Array(await response.arrayBuffer())).trim().slice(0, 300);
}

/** Take Docker's frame headers off (8 bytes: stream, 0 0 0, length); a terminal's stream has none. */
export function textOf(data: Uint8Array): string {
  const framed = data.length >= 8 && (data[0] ?? 9) <= 2 && data[1] === 0 && data[2] === 0 && data[3] === 0;
  if (!framed) return new TextDecoder().decode(data);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (let at = 0; at + 8 <= data.length; ) {
    const size = view.getUint32(at + 4);
    text += new TextDecoder().decode(data.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
  return text;
}
