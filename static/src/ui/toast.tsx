/** Short messages: what went wrong in the server's own words, and what is done. */
import { notifications } from "@mantine/notifications";
import { ApiError } from "../core/api";
import { t } from "../core/i18n";
import { IconAlert, IconCheck } from "./icons";

/** The words for an error of any kind. */
export function wordsOf(error: unknown): string {
  if (error instanceof ApiError) return error.message || t("error.unreachable");
  if (error && typeof error === "object" && "message" in error && typeof error.message === "string") return error.message || t("error.unreachable");
  return String(error);
}

export function toastError(title: string, error: unknown): void {
  notifications.show({
    title, message: wordsOf(error), color: "red", icon: <IconAlert size={16} />, autoClose: 9000,
    closeButtonProps: { "aria-label": t("close") }, role: "alert", className: "toast",
    attributes: { root: { "data-testid": "toast-error" } },
  });
}

export function toastDone(message: string): void {
  notifications.show({
    message, color: "teal", icon: <IconCheck size={16} />, autoClose: 3500, closeButtonProps: { "aria-label": t("close") },
    attributes: { root: { "data-testid": "toast-done" } },
  });
}
