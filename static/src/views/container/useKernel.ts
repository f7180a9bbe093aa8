/** The limits as the kernel enforces them now, read anew when the row changes. */
import { useEffect, useState } from "react";
import { engine } from "../../core/api";
import type { ContainerRow } from "../../core/docker";
import { HOST } from "../../core/live";

export interface Kernel {
  memory: number | null;
  pids: number | null;
  throttledNs: number;
}
interface Stats {
  memory_stats?: { limit?: number };
  pids_stats?: { limit?: number };
  cpu_stats?: { throttling_data?: { throttled_time?: number } };
}
/** Docker writes "none" as the largest number. */
const NONE = 2 ** 60;

export function useKernel(row: ContainerRow): Kernel | null {
  const [kernel, setKernel] = useState<Kernel | null>(null);
  useEffect(() => {
    setKernel(null);
    if (row.State !== "running" && row.State !== "paused") return;
    const stop = new AbortController();
    engine(HOST).get<Stats>(`/containers/${row.Id}/stats`, { stream: 0, "one-shot": 1 }, stop.signal).then((found) => {
      const known = (value: number | undefined) => (value && value < NONE ? value : null);
      setKernel({ memory: known(found.memory_stats?.limit), pids: known(found.pids_stats?.limit), throttledNs: found.cpu_stats?.throttling_data?.throttled_time ?? 0 });
    }, () => undefined);
    return () => stop.abort();
  }, [row]);
  return kernel;
}
