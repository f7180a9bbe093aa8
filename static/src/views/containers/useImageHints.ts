/** What a local image says about itself: ports it listens on, places it keeps data in. */
import { useEffect, useState } from "react";
import { engine } from "../../core/api";
import type { ImageDetail } from "../../core/docker";
import { imagePath, isLocal } from "../../core/imageRef";
import { HOST, images } from "../../core/live";
import { useRows } from "../../core/store";

export interface Hints {
  ports: { port: string; protocol: "tcp" | "udp" }[];
  volumes: string[];
}
const NONE: Hints = { ports: [], volumes: [] };

export function useImageHints(image: string): Hints {
  const [hints, setHints] = useState<Hints>(NONE);
  const local = isLocal(image, useRows(images));
  useEffect(() => {
    setHints(NONE);
    if (!local) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      engine(HOST).get<ImageDetail>(`/images/${imagePath(image.trim())}/json`, {}, stop.signal).then((found) => setHints(hintsOf(found)), () => undefined);
    }, 200);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [image, local]);
  return hints;
}

export function hintsOf(image: ImageDetail): Hints {
  const ports = Object.keys(image.Config?.ExposedPorts ?? {}).flatMap((text) => {
    const match = /^(\d+)(?:\/(tcp|udp))?$/.exec(text);
    return match?.[1] ? [{ port: match[1], protocol: match[2] === "udp" ? ("udp" as const) : ("tcp" as const) }] : [];
  });
  return { ports, volumes: Object.keys(image.Config?.Volumes ?? {}) };
}
