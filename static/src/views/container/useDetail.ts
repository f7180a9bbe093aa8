/** The inspect document of a container, fetched anew when its row changes. */
import { useEffect, useState } from "react";
import { ApiError, engine } from "../../core/api";
import type { ContainerDetail, ContainerRow } from "../../core/docker";
import { HOST } from "../../core/live";
import { wordsOf } from "../../ui/toast";

export function useDetail(row: ContainerRow): { detail: ContainerDetail | null; error: string | null } {
  const [detail, setDetail] = useState<ContainerDetail | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    engine(HOST).get<ContainerDetail>(`/containers/${row.Id}/json`, {}, stop.signal).then(
      (found) => {
        setDetail(found);
        setError(null);
      },
      (problem: unknown) => {
        if (problem instanceof ApiError) setError(wordsOf(problem));
      },
    );
    return () => stop.abort();
  }, [row]);
  return { detail, error };
}
