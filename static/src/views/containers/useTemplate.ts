/** The container that the form starts from: one to be edited (`?edit=`) or copied (`?from=`). */
import { useEffect, useState } from "react";
import { engine } from "../../core/api";
import type { ImageDetail } from "../../core/docker";
import { imagePath } from "../../core/imageRef";
import { HOST } from "../../core/live";
import { wordsOf } from "../../ui/toast";
import { type Definition, specOf } from "./fromInspect";
import type { RunSpec } from "./runSpec";

export interface Template {
  of: Definition;
  image: ImageDetail | null;
  spec: RunSpec;
}

export function useTemplate(id: string): { template: Template | null; error: string | null } {
  const [template, setTemplate] = useState<Template | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    if (!id) return;
    const stop = new AbortController();
    const read = async () => {
      const of = await engine(HOST).get<Definition>(`/containers/${encodeURIComponent(id)}/json`, {}, stop.signal);
      const image = await engine(HOST).get<ImageDetail>(`/images/${imagePath(of.Image)}/json`, {}, stop.signal).catch(() => null);
      setTemplate({ of, image, spec: specOf(of, image) });
    };
    read().catch((problem: unknown) => {
      if (!stop.signal.aborted) setError(wordsOf(problem));
    });
    return () => stop.abort();
  }, [id]);
  return { template, error };
}
