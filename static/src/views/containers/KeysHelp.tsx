import { Code, Kbd, Modal, Table } from "@mantine/core";
import { type Key, t } from "../../core/i18n";

const KEYS: [string[], Key][] = [
  [["/"], "keys.filter"], [["↑", "↓"], "keys.move"], [["Enter"], "keys.open"], [["Space"], "keys.select"],
  [["s"], "keys.s"], [["r"], "keys.r"], [["p"], "keys.p"], [["d"], "keys.d"], [["l"], "keys.l"], [["e"], "keys.e"],
  [["?"], "keys.help"], [["Ctrl", "K"], "keys.palette"],
];
const EXAMPLES: [string, Key][] = [
  ["web", "filter.ex.word"], ["state:exited,created", "filter.ex.state"], ["label:env=prod", "filter.ex.label"], ["image:*nginx*", "filter.ex.image"],
  ["port:8080", "filter.ex.port"], ["health:unhealthy", "filter.ex.health"], ["stack:shop", "filter.ex.stack"], ["volume:data", "filter.ex.volume"], ["-name:db", "filter.ex.not"],
];

export function KeysHelp({ opened, onClose }: { opened: boolean; onClose(): void }) {
  return (
    <Modal opened={opened} onClose={onClose} title={t("keys.title")} size="lg">
      <div className="keys-help">
        <Table withRowBorders={false} verticalSpacing={5}>
          <Table.Tbody>
            {KEYS.map(([keys, what]) => (
              <Table.Tr key={what}><Table.Td w={110}>{keys.map((key) => <Kbd key={key} mr={4}>{key}</Kbd>)}</Table.Td><Table.Td>{t(what)}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Table withRowBorders={false} verticalSpacing={5}>
          <Table.Tbody>
            {EXAMPLES.map(([text, what]) => (
              <Table.Tr key={what}><Table.Td><Code>{text}</Code></Table.Td><Table.Td>{t(what)}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Modal>
  );
}
