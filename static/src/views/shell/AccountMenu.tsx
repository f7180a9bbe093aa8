import { ActionIcon, Menu } from "@mantine/core";
import { t } from "../../core/i18n";
import { go } from "../../core/router";
import { session, signOut } from "../../core/session";
import { useValue } from "../../core/store";
import { IconDevices, IconKey, IconLogout, IconUser } from "../../ui/icons";
import { toastError } from "../../ui/toast";

export function AccountMenu() {
  const user = useValue(session)?.user;
  const leave = () => {
    signOut().then(() => go("/sign-in"), (error: unknown) => toastError(t("account.signout.failed"), error));
  };
  return (
    <Menu width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("account.menu")} data-testid="account-menu"><IconUser /></ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{user?.name}{user?.admin ? ` · ${t("user.admin")}` : ""}</Menu.Label>
        <Menu.Item leftSection={<IconDevices size={16} />} onClick={() => go("/account#sessions")}>{t("sessions.title")}</Menu.Item>
        <Menu.Item leftSection={<IconKey size={16} />} onClick={() => go("/account#tokens")}>{t("tokens.title")}</Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={leave} data-testid="sign-out">{t("signout")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
