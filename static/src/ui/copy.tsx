/** Copying text, also where the page is not in a secure context. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { useState } from "react";
import { t } from "../core/i18n";
import { IconCheck, IconCopy } from "./icons";

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

export function CopyButton({ text, label }: { text: string | (() => string); label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    if (!(await copyText(typeof text === "string" ? text : text()))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  const name = copied ? t("copied") : (label ?? t("copy"));
  return (
    <Tooltip label={name}>
      <ActionIcon variant="subtle" color="gray" size="md" aria-label={name} onClick={() => void copy()}>
        {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
      </ActionIcon>
    </Tooltip>
  );
}
