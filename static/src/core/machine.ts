/** Load, memory and disk of the host, pushed while somebody looks. */
import { useEffect, useState } from "react";
import { HOST, stream } from "./live";

export interface Machine {
  cpus: number;
  load: [number, number, number];
  memory_total: number;
  memory_available: number;
  disk_total: number;
  disk_free: number;
}

export function useMachine(): Machine | null {
  const [machine, setMachine] = useState<Machine | null>(null);
  useEffect(() => stream.subscribe(() => ({ topic: "machine", host: HOST }), {
    frame: (frame) => setMachine((frame.machine as Machine | undefined) ?? null),
    end: () => true,
  }), []);
  return machine;
}
