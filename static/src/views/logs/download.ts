/** The whole log as a file, read through the Engine API; frames of stdout and stderr are joined in their order. */
import { ApiError, engineUrl } from "../../core/api";
import { HOST } from "../../core/live";

/** Takes Docker's 8-byte framed stream apart, whatever the chunks it comes in. */
export class Demux {
  private rest = new Uint8Array(0);

  feed(chunk: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const data = new Uint8Array(this.rest.length + chunk.length);
    data.set(this.rest);
    data.set(chunk, this.rest.length);
    const view = new DataView(data.buffer);
    const out: Uint8Array<ArrayBuffer>[] = [];
    let at = 0;
    while (at + 8 <= data.length) {
      const size = view.getUint32(at + 4);
      if (at + 8 + size > data.length) break;
      out.push(data.slice(at + 8, at + 8 + size));
      at += 8 + size;
    }
    this.rest = data.slice(at);
    return out;
  }
}

export async function downloadLog(id: string, name: string, progress: (bytes: number) => void): Promise<void> {
  const response = await fetch(engineUrl(HOST, `/containers/${id}/logs`, { stdout: 1, stderr: 1, timestamps: 1 }), { credentials: "same-origin" });
  if (!response.ok || !response.body) throw new ApiError(response.status, await response.text().catch(() => ""));
  const framed = !(response.headers.get("Content-Type") ?? "").includes("raw-stream");
  const demux = new Demux();
  const parts: BlobPart[] = [];
  const reader = response.body.getReader();
  let total = 0;
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    total += chunk.value.length;
    if (framed) parts.push(...demux.feed(chunk.value));
    else parts.push(chunk.value.slice());
    progress(total);
  }
  save(new Blob(parts, { type: "text/plain" }), `${name}.log`);
}

function save(blob: Blob, filename: string): void {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = filename.replace(/[^\w.-]+/g, "_");
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
}
