/** Image names as people write them and as the engine lists them. */
import { ApiError } from "./api";
import type { ImageRow } from "./docker";
import { t } from "./i18n";

/** A name as one or more path segments of the Engine API. Browsers resolve dot segments: such a name is refused here. */
export function imagePath(name: string): string {
  if (name.split("/").some((part) => part === "." || part === "..")) throw new ApiError(400, t("run.err.image.form"), "image");
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
