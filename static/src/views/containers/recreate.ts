/** Make a container anew under its own name: the old one stands aside until the new one runs, and comes back if it does not. */
import { engine } from "../../core/api";
import { HOST } from "../../core/live";

export type Stage = "aside" | "create" | "start" | "clean" | "back";

export async function recreate(id: string, name: string, body: unknown, running: boolean, tell: (stage: Stage) => void): Promise<string> {
  const api = engine(HOST);
  const aside = `${name}-before-${Date.now().toString(36)}`;
  tell("aside");
  await api.post(`/containers/${id}/rename`, { name: aside });
  let made: string | null = null;
  try {
    if (running) await api.post(`/containers/${id}/stop`);
    tell("create");
    made = (await api.post<{ Id: string }>("/containers/create", { name }, body)).Id;
    if (running) {
      tell("start");
      await api.post(`/containers/${made}/start`);
    }
  } catch (error) {
    tell("back");
    if (made) await api.remove(`/containers/${made}`, { force: 1 }).catch(() => undefined);
    await api.post(`/containers/${id}/rename`, { name });
    if (running) await api.post(`/containers/${id}/start`).catch(() => undefined);
    throw error;
  }
  tell("clean");
  await api.remove(`/containers/${id}`, { force: 1 });
  return made;
}
