/** Jobs of the server: start one, wait for its end. They live on the server and survive a reload. */
import { berth } from "./api";
import { HOST, type Operation, operations } from "./live";

export function startPull(image: string, platform?: string): Promise<Operation> {
  return berth.post<Operation>("/operations", { kind: "pull", host: HOST, params: platform ? { image, platform } : { image } }).then(seen);
}

export function cancelOperation(id: string): Promise<void> {
  return berth.post(`/operations/${encodeURIComponent(id)}/cancel`);
}

export function isOver(operation: Operation): boolean {
  return operation.state === "done" || operation.state === "failed" || operation.state === "cancelled";
}

/** Resolves when the operation is over, however long that takes. */
export function settled(id: string, signal?: AbortSignal): Promise<Operation> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const found = operations.get(id);
      if (!found || !isOver(found)) return;
      drop();
      resolve(found);
    };
    const drop = operations.watch(id, look);
    signal?.addEventListener("abort", () => {
      drop();
      reject(new DOMException("aborted", "AbortError"));
    });
    look();
  });
}

/** Share of the work that is done, 0 to 1; null when nobody knows yet. */
export function shareOf(operation: Operation): number | null {
  const progress = operation.progress;
  if (operation.state === "done") return 1;
  const layers = progress?.layers ?? [];
  const total = progress?.total || layers.reduce((sum, layer) => sum + (layer.total || 0), 0);
  const current = progress?.total ? (progress.current ?? 0) : layers.reduce((sum, layer) => sum + Math.min(layer.current || 0, layer.total || 0), 0);
  return total > 0 ? Math.min(1, current / total) : null;
}

/** What the server answered may be older than what was pushed meanwhile. */
function seen(operation: Operation): Operation {
  if (!operations.get(operation.id)) operations.apply([operation]);
  return operation;
}
