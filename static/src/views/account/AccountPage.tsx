/** The user's own things: where they are signed in, and tokens for docker and scripts. */
import { ActionIcon, Alert, Badge, Button, Code, CopyButton as MantineCopy, Group, Modal, NativeSelect, Stack, Table, Text, TextInput, Tooltip } from "@mantine/core";
import { type FormEvent, useCallback, useEffect, useState } from "react";
import { ApiError, berth } from "../../core/api";
import { useNow } from "../../core/clock";
import { ago, dateTime } from "../../core/format";
import { language, setLanguage, t } from "../../core/i18n";
import { session } from "../../core/session";
import { useValue } from "../../core/store";
import { ask } from "../../ui/ask";
import { IconPlus, IconTrash } from "../../ui/icons";
import { toastError, wordsOf } from "../../ui/toast";
import { LANGUAGES } from "../shell/switches";
import "./account.css";

interface SessionInfo {
  id: string;
  created: string;
  last_seen: string;
  address: string;
  agent: string;
  current: boolean;
}
interface Token {
  id: string;
  name: string;
  created: string;
  expires: string | null;
  last_used: string | null;
  secret?: string | null;
}

/** A list that is fetched and fetched again after a change. */
function useList<T>(path: string, field: string): [readonly T[] | null, () => void] {
  const [rows, setRows] = useState<readonly T[] | null>(null);
  const load = useCallback(() => {
    berth.get<T[] | Record<string, T[]>>(path).then((found) => setRows(Array.isArray(found) ? found : (found[field] ?? [])), (error: unknown) => toastError(t("load.failed"), error));
  }, [path, field]);
  useEffect(load, [load]);
  return [rows, load];
}

export function AccountPage() {
  const user = useValue(session)?.user;
  return (
    <div className="page account-page">
      <div className="page-head">
        <h1>{t("account.title")}</h1>
        <Text c="dimmed">{user?.name}</Text>
        {user?.admin && <Badge variant="light">{t("user.admin")}</Badge>}
        <div className="spread">
          <NativeSelect aria-label={t("language")} value={language.get()} onChange={(e) => setLanguage(e.currentTarget.value === "zh-CN" ? "zh-CN" : "en")} data={LANGUAGES.map(([value, label]) => ({ value, label }))} />
        </div>
      </div>
      <Sessions />
      <Tokens />
    </div>
  );
}

function Sessions() {
  const [rows, reload] = useList<SessionInfo>("/sessions", "sessions");
  const now = useNow();
  const end = (id: string) => berth.remove(`/sessions/${encodeURIComponent(id)}`).then(reload, (error: unknown) => toastError(t("sessions.end.failed"), error));
  return (
    <section className="panel account-section" id="sessions" aria-label={t("sessions.title")}>
      <h2>{t("sessions.title")}</h2>
      <Text size="sm" c="dimmed">{t("sessions.lead")}</Text>
      <div className="account-table">
        <Table verticalSpacing="xs">
          <Table.Thead><Table.Tr><Table.Th>{t("sessions.agent")}</Table.Th><Table.Th>{t("sessions.address")}</Table.Th><Table.Th>{t("sessions.seen")}</Table.Th><Table.Th><span className="visually-hidden">{t("col.actions")}</span></Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {rows?.map((row) => (
              <Table.Tr key={row.id} data-testid="session-row">
                <Table.Td title={row.agent}>{browserOf(row.agent)} {row.current && <Badge size="sm" variant="light" color="teal">{t("sessions.this")}</Badge>}</Table.Td>
                <Table.Td className="mono">{row.address}</Table.Td>
                <Table.Td title={dateTime(row.last_seen)}>{ago(Date.parse(row.last_seen), now)}</Table.Td>
                <Table.Td ta="right">{!row.current && <Button size="compact-sm" variant="default" onClick={() => void end(row.id)}>{t("sessions.end")}</Button>}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </section>
  );
}

function Tokens() {
  const [rows, reload] = useList<Token>("/tokens", "tokens");
  const [making, setMaking] = useState(false);
  const now = useNow();
  const drop = async (token: Token) => {
    const sure = await ask({ title: t("tokens.drop.ask", { name: token.name }), body: t("tokens.drop.body"), confirm: t("tokens.drop"), danger: true });
    if (sure) berth.remove(`/tokens/${encodeURIComponent(token.id)}`).then(reload, (error: unknown) => toastError(t("tokens.drop.failed"), error));
  };
  return (
    <section className="panel account-section" id="tokens" aria-label={t("tokens.title")}>
      <Group justify="space-between">
        <h2>{t("tokens.title")}</h2>
        <Button size="compact-md" variant="light" leftSection={<IconPlus size={15} />} onClick={() => setMaking(true)} data-testid="token-new">{t("tokens.new")}</Button>
      </Group>
      <Text size="sm" c="dimmed">{t("tokens.lead")}</Text>
      {rows?.length === 0 && <Text size="sm" mt="xs">{t("tokens.none")}</Text>}
      {rows !== null && rows.length > 0 && (
        <div className="account-table">
          <Table verticalSpacing="xs">
            <Table.Thead><Table.Tr><Table.Th>{t("tokens.name")}</Table.Th><Table.Th>{t("tokens.expires")}</Table.Th><Table.Th>{t("tokens.used")}</Table.Th><Table.Th><span className="visually-hidden">{t("col.actions")}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.id} data-testid="token-row">
                  <Table.Td>{row.name}</Table.Td>
                  <Table.Td>{row.expires ? dateTime(row.expires) : t("tokens.never")}</Table.Td>
                  <Table.Td>{row.last_used ? ago(Date.parse(row.last_used), now) : t("tokens.unused")}</Table.Td>
                  <Table.Td ta="right"><Tooltip label={t("tokens.drop")}><ActionIcon variant="subtle" color="gray" aria-label={`${t("tokens.drop")} ${row.name}`} onClick={() => void drop(row)}><IconTrash size={16} /></ActionIcon></Tooltip></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {making && <NewToken onClose={() => setMaking(false)} onMade={reload} />}
    </section>
  );
}

function NewToken({ onClose, onMade }: { onClose(): void; onMade(): void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState("30");
  const [problem, setProblem] = useState<{ field: string | null; message: string } | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return setProblem({ field: "name", message: t("tokens.name.needed") });
    try {
      const made = await berth.post<Token>("/tokens", { name: name.trim(), expires_days: Number(days) });
      setSecret(made.secret ?? "");
      onMade();
    } catch (error) {
      setProblem({ field: error instanceof ApiError ? error.field : null, message: wordsOf(error) });
    }
  };
  if (secret !== null) return <Secret secret={secret} onClose={onClose} />;
  return (
    <Modal opened onClose={onClose} title={t("tokens.new")}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {problem && problem.field !== "name" && <Alert color="red" role="alert" title={problem.message} />}
          <TextInput label={t("tokens.name")} placeholder={t("tokens.name.hint")} value={name} onChange={(e) => setName(e.currentTarget.value)} error={problem?.field === "name" ? problem.message : null} data-autofocus data-testid="token-name" />
          <NativeSelect label={t("tokens.expires")} value={days} onChange={(e) => setDays(e.currentTarget.value)} data={[7, 30, 90, 365].map((n) => ({ value: String(n), label: t("days", { n }) }))} />
          <Button type="submit" data-testid="token-submit">{t("tokens.make")}</Button>
        </Stack>
      </form>
    </Modal>
  );
}

function Secret({ secret, onClose }: { secret: string; onClose(): void }) {
  const usage = `DOCKER_CUSTOM_HEADERS='Authorization=Bearer ${secret}' docker -H tcp://${window.location.host}/engine/local ps`;
  return (
    <Modal opened onClose={onClose} title={t("tokens.secret")} size="lg" closeOnClickOutside={false}>
      <Stack>
        <Alert color="yellow">{t("tokens.secret.lead")}</Alert>
        <Code block data-testid="token-secret">{secret}</Code>
        <Text size="sm">{t("tokens.secret.use")}</Text>
        <Code block>{usage}</Code>
        <Group justify="flex-end">
          <MantineCopy value={secret}>{({ copied, copy }) => <Button variant="default" onClick={copy}>{copied ? t("copied") : t("copy")}</Button>}</MantineCopy>
          <Button onClick={onClose}>{t("done")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** "Firefox 140 · Linux" out of a user agent. */
export function browserOf(agent: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Version)\/(\d+)/.exec(agent.replace(/Chrome\/\d+\S* (?=.*(?:Edg|OPR)\/)/, ""));
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux)/.exec(agent)?.[1]?.replace("Mac OS X", "macOS");
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", Version: "Safari" };
  if (!browser?.[1]) return agent.slice(0, 40) || "–";
  return `${names[browser[1]] ?? browser[1]} ${browser[2] ?? ""}${system ? ` · ${system}` : ""}`;
}
