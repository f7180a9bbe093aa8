/** Removing what others may use: asks, and shows the engine's words when it refuses, to try again once it is free. */
import { Code } from "@mantine/core";
import { ApiError, engine } from "../core/api";
import { t } from "../core/i18n";
import { HOST } from "../core/live";
import { ask } from "./ask";
import { toastDone, toastError } from "./toast";

interface Doomed {
  path: string;
  name: string;
  body: string;
  confirm: string;
}

export async function removeResource({ path, name, body, confirm }: Doomed): Promise<void> {
  let sure = await ask({ title: t("resource.remove.ask", { name }), body, confirm, danger: true });
  while (sure) {
    try {
      await engine(HOST).remove(path);
      return toastDone(t("resource.removed", { name }));
    } catch (error) {
      if (!(error instanceof ApiError) || ![403, 409].includes(error.status)) return toastError(t("resource.refused", { name }), error);
      sure = await ask({ title: t("resource.refused", { name }), body: <Code block data-testid="conflict-message">{error.message}</Code>, confirm: t("retry") });
    }
  }
}
