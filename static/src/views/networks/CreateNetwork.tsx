/** Make a network. The dialog is in the address (`?new=1`). */
import { Button, Checkbox, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { engine } from "../../core/api";
import { t } from "../../core/i18n";
import { HOST } from "../../core/live";
import { setQuery } from "../../core/router";
import { toastDone, wordsOf } from "../../ui/toast";

const close = () => setQuery({ new: null });

export function CreateNetwork() {
  const [name, setName] = useState("");
  const [subnet, setSubnet] = useState("");
  const [internal, setInternal] = useState(false);
  const [problem, setProblem] = useState<{ field: "name" | "subnet"; message: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return setProblem({ field: "name", message: t("networks.name.needed") });
    setBusy(true);
    try {
      await engine(HOST).post("/networks/create", {}, wish(name.trim(), subnet.trim(), internal));
      toastDone(t("networks.created", { name: name.trim() }));
      close();
    } catch (error) {
      const message = wordsOf(error);
      setProblem({ field: subnet && /subnet|pool|overlap|CIDR|prefix|address/i.test(message) ? "subnet" : "name", message });
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={t("networks.create")} size="md" data-testid="network-dialog">
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          <TextInput label={t("resource.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} error={problem?.field === "name" ? problem.message : null} spellCheck={false} data-autofocus data-testid="network-name" />
          <TextInput label={t("networks.subnet")} placeholder={t("networks.subnet.hint")} value={subnet} onChange={(event) => setSubnet(event.currentTarget.value)} error={problem?.field === "subnet" ? problem.message : null} spellCheck={false} data-testid="network-subnet" />
          <Checkbox label={t("networks.internal")} description={t("networks.internal.hint")} checked={internal} onChange={(event) => setInternal(event.currentTarget.checked)} data-testid="network-internal" />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{t("cancel")}</Button>
            <Button type="submit" loading={busy} data-testid="network-submit">{t("resource.create")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function wish(name: string, subnet: string, internal: boolean): object {
  return { Name: name, Internal: internal, ...(subnet ? { IPAM: { Config: [{ Subnet: subnet }] } } : {}) };
}
