/** The way from the form to a running container: image there or pulled, created, started. */
import { useRef, useState } from "react";
import { ApiError, engine } from "../../core/api";
import { t } from "../../core/i18n";
import { imagePath } from "../../core/imageRef";
import { HOST } from "../../core/live";
import { settled, startPull } from "../../core/operations";
import { wordsOf } from "../../ui/toast";
import { bodyOver } from "./fromInspect";
import { recreate } from "./recreate";
import { createBody, fieldOf, type RunSpec } from "./runSpec";
import type { Template } from "./useTemplate";

export type Step = "look" | "pull" | "create" | "start";
export interface Failure {
  field: string | null;
  message: string;
}

export function useRun(old: Template | null = null) {
  const [step, setStep] = useState<Step | null>(null);
  const [operation, setOperation] = useState<string | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  /** Made by an attempt whose start failed: the next attempt replaces it. */
  const leftOver = useRef<string | null>(null);

  const attempt = async (spec: RunSpec): Promise<string> => {
    const api = engine(HOST);
    setStep("look");
    if (!(await imageIsThere(spec.image.trim()))) {
      const pull = await startPull(spec.image.trim());
      setOperation(pull.id);
      setStep("pull");
      const end = await settled(pull.id);
      if (end.state === "failed") throw new ApiError(404, end.error ?? t("operation.failed"), "image");
      if (end.state === "cancelled") throw new ApiError(0, t("operation.cancelled"), "image");
    }
    setStep("create");
    if (old) return recreate(old.of.Id, spec.name, bodyOver(old.of, spec, old.image), old.of.State.Status === "running", (stage) => setStep(stage === "start" ? "start" : "create"));
    if (leftOver.current) {
      await api.remove(`/containers/${leftOver.current}`, { force: 1, v: 1 }).catch(() => undefined);
      leftOver.current = null;
    }
    const made = await api.post<{ Id: string }>("/containers/create", { name: spec.name || undefined }, createBody(spec));
    leftOver.current = made.Id;
    setStep("start");
    await api.post(`/containers/${made.Id}/start`);
    leftOver.current = null;
    return made.Id;
  };

  const start = async (spec: RunSpec): Promise<string | null> => {
    setFailure(null);
    try {
      return await attempt(spec);
    } catch (error) {
      const message = wordsOf(error);
      setFailure({ message, field: fieldOf(message, error instanceof ApiError ? error.field : null, spec) });
      return null;
    } finally {
      setStep(null);
    }
  };
  return { step, operation, failure, start, forgive: () => setFailure(null) };
}

async function imageIsThere(name: string): Promise<boolean> {
  try {
    await engine(HOST).get(`/images/${imagePath(name)}/json`);
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}
