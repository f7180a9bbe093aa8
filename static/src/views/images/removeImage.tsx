/** Removing an image: asks, shows the engine's words when it is in use, and offers force where that may help. */
import { Code, Text } from "@mantine/core";
import { ApiError, engine } from "../../core/api";
import { t } from "../../core/i18n";
import { imagePath } from "../../core/imageRef";
import { HOST } from "../../core/live";
import { ask } from "../../ui/ask";
import { toastDone, toastError } from "../../ui/toast";

export async function removeImage(reference: string, name: string, force: boolean): Promise<void> {
  const sure = await ask({ title: t("images.remove.ask", { name }), body: t("images.remove.body"), confirm: t("images.remove"), danger: true });
  if (!sure) return;
  try {
    await remove(reference, force);
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) await conflict(reference, name, error.message);
    else return toastError(t("images.remove.failed", { name }), error);
    return;
  }
  toastDone(t("images.removed", { name }));
}

async function conflict(reference: string, name: string, message: string): Promise<void> {
  const forced = await ask({
    title: t("images.remove.conflict", { name }),
    body: (
      <>
        <Code block data-testid="conflict-message">{message}</Code>
        <Text size="sm" mt="sm">{t("images.remove.force.lead")}</Text>
      </>
    ),
    confirm: t("images.remove.force"),
    danger: true,
  });
  if (!forced) return;
  try {
    await remove(reference, true);
    toastDone(t("images.removed", { name }));
  } catch (error) {
    toastError(t("images.remove.failed", { name }), error);
  }
}

function remove(reference: string, force: boolean): Promise<void> {
  return engine(HOST).remove(`/images/${imagePath(reference)}`, { force: force ? 1 : undefined });
}
