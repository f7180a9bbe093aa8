/** Image names as people write them and as the engine lists them. */
import type { ImageRow } from "./docker";

/** A name as one or more path segments of the Engine API. */
export function imagePath(name: string): string {
  return name.split("/").map((part) => encodeURIComponent(part).replaceAll("%3A", ":").replaceAll("%40", "@")).join("/");
}

/** With its tag: "nginx" → "nginx:latest", docker.io's own prefixes dropped. */
export function withTag(name: string): string {
  const short = name.trim().replace(/^docker\.io\//, "").replace(/^library\//, "");
  return /:[^/]+$/.test(short) || short.includes("@") ? short : `${short}:latest`;
}

export function isLocal(name: string, rows: readonly ImageRow[]): boolean {
  const wanted = withTag(name);
  const id = name.replace(/^sha256:/, "");
  return rows.some((row) => (row.RepoTags ?? []).some((tag) => withTag(tag) === wanted) || (/^[0-9a-f]{12,64}$/.test(id) && row.Id.replace(/^sha256:/, "").startsWith(id)));
}
