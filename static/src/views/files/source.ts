/** Where a file browser's files are: a container's root now, a volume as soon as the engine lists one. */
import { ApiError, engine, engineUrl } from "../../core/api";
import { HOST } from "../../core/live";
import { firstFile, type TarFile, writeTar } from "../../core/tar";

export interface FileEntry {
  name: string;
  kind: "file" | "folder" | "link" | "device" | "pipe" | "socket";
  size: number;
  mode: number;
  uid: number;
  gid: number;
  mtime: string;
  link: string;
}
export interface Folder {
  path: string;
  entries: FileEntry[];
  /** Not all names are in `entries`. */
  more: boolean;
}

/** What the browser of files needs; each call may be refused (ApiError). */
export interface FileSource {
  key: string;
  list(path: string, signal: AbortSignal): Promise<Folder>;
  read(path: string, signal: AbortSignal): Promise<TarFile>;
  write(folder: string, files: readonly TarFile[]): Promise<void>;
  /** Address of a tar of what is at `path`. */
  tarUrl(path: string): string;
  /** Paths that differ from where they come from: 0 changed, 1 added. */
  marks?(signal: AbortSignal): Promise<Map<string, number>>;
}

export function join(folder: string, name: string): string {
  return `${folder === "/" ? "" : folder}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export function containerFiles(id: string): FileSource {
  const archive = (path: string) => engineUrl(HOST, `/containers/${id}/archive`, { path });
  return {
    key: id,
    list: (path, signal) => engine(HOST).get<Folder>(`/berth/containers/${id}/files`, { path }, signal),
    read: async (path, signal) => {
      const response = await fetch(archive(path), { signal, credentials: "same-origin" });
      if (!response.ok) throw new ApiError(response.status, ((await response.json().catch(() => ({}))) as { message?: string }).message ?? response.statusText);
      const file = firstFile(new Uint8Array(await response.arrayBuffer()));
      if (!file) throw new ApiError(400, `${path}: not a file`);
      return file;
    },
    write: async (folder, files) => {
      const response = await fetch(archive(folder), { method: "PUT", body: writeTar(files), credentials: "same-origin", headers: { "Content-Type": "application/x-tar" } });
      if (!response.ok) throw new ApiError(response.status, ((await response.json().catch(() => ({}))) as { message?: string }).message ?? response.statusText);
    },
    tarUrl: archive,
    marks: async (signal) => {
      const found = (await engine(HOST).get<{ Path: string; Kind: number }[] | null>(`/containers/${id}/changes`, {}, signal)) ?? [];
      return new Map(found.map((one) => [one.Path, one.Kind]));
    },
  };
}
