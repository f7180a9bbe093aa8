/** The frame of every page: navigation, what is live, the pages themselves. */
import { ActionIcon, Badge, Button, Kbd, Tooltip, UnstyledButton } from "@mantine/core";
import { spotlight } from "@mantine/spotlight";
import { lazy, Suspense, useEffect } from "react";
import { type Key, t } from "../../core/i18n";
import { containers, images, operations } from "../../core/live";
import { go, Link, usePlace } from "../../core/router";
import { may, useMay } from "../../core/rights";
import { session } from "../../core/session";
import { useRows, useValue } from "../../core/store";
import { IconActivity, IconPlus, IconSearch, IconUser } from "../../ui/icons";
import { Logo } from "../../ui/Logo";
import { UndoBar } from "../containers/removal";
import { OperationsDrawer, operationsOpen } from "../operations/OperationsDrawer";
import { AccountMenu } from "./AccountMenu";
import { Banner, LiveMark } from "./Banner";
import { PAGES } from "./pages";
import { Palette } from "./Palette";
import { LanguageSwitch, SchemeSwitch } from "./switches";
import "./shell.css";

const ContainerPage = lazy(() => import("../container/ContainerPage").then((module) => ({ default: module.ContainerPage })));
const RunPage = lazy(() => import("../containers/RunPage").then((module) => ({ default: module.RunPage })));
const AccountPage = lazy(() => import("../account/AccountPage").then((module) => ({ default: module.AccountPage })));

export function Shell() {
  return (
    <div className="shell">
      <a className="skip-link" href="#page">{t("skip.to.content")}</a>
      <SideBar />
      <div className="shell-body">
        <TopBar />
        <Banner />
        <main className="shell-page" id="page" tabIndex={-1}>
          <Suspense fallback={null}><Page /></Suspense>
          <div id="overlays" />
        </main>
      </div>
      <BottomBar />
      <UndoBar />
      <OperationsDrawer />
      <Palette />
    </div>
  );
}

function Page() {
  const { path } = usePlace();
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const home = parts.length === 0 || parts[0] === "setup" || parts[0] === "sign-in";
  useEffect(() => {
    if (home) go("/containers", { replace: true });
  }, [home]);
  if (home) return null;
  if (parts[0] === "containers" && parts[1]) return <ContainerPage key={parts[1]} id={parts[1]} tab={parts[2] ?? "overview"} />;
  if (parts[0] === "run") return <RunPage />;
  if (parts[0] === "account") return <AccountPage />;
  const listed = parts.length === 1 ? PAGES.find((one) => one.to === `/${parts[0]}`) : undefined;
  if (listed?.right && !may(listed.right)) return <div className="empty" data-testid="no-right"><h2>{t("right.none")}</h2><p>{t("right.none.lead")}</p></div>;
  if (listed) return <listed.page />;
  return <div className="empty"><p>{t("page.unknown")}</p><Button variant="default" onClick={() => go("/containers")}>{t("nav.containers")}</Button></div>;
}

function SideBar() {
  const { path } = usePlace();
  useRows(containers);
  useRows(images);
  const version = useValue(session)?.version;
  const deploy = useMay("deploy");
  return (
    <nav className="side" aria-label={t("nav")}>
      <Link href="/containers" className="side-brand"><Logo /> <span>Berth</span></Link>
      {deploy && <Button leftSection={<IconPlus size={16} />} onClick={() => go("/run")} className="side-run" data-testid="nav-run">{t("run.title")}</Button>}
      {PAGES.filter((one) => !one.right || may(one.right)).map(({ to, label, icon: Icon, count }) => (
        <Link key={to} href={to} className="side-link" aria-current={path.startsWith(to) ? "page" : undefined} data-testid={`nav-${to.slice(1)}`}>
          <Icon size={18} /> <span>{t(label)}</span> <span className="side-count">{count?.() || ""}</span>
        </Link>
      ))}
      <div className="side-foot">
        <LiveMark />
        {version && <span className="side-version">{version}</span>}
      </div>
    </nav>
  );
}

function TopBar() {
  return (
    <section className="top" aria-label={t("nav.tools")}>
      <Link href="/containers" className="top-brand" aria-label="Berth"><Logo size={26} /></Link>
      <UnstyledButton className="top-search" onClick={() => spotlight.open()} data-testid="palette-open">
        <IconSearch size={15} /> <span>{t("palette.hint")}</span> <Kbd size="xs">{/mac/i.test(navigator.userAgent) ? "⌘" : "Ctrl"} K</Kbd>
      </UnstyledButton>
      <div className="top-tools">
        <OperationsButton />
        <span className="wide-only"><LanguageSwitch /></span>
        <SchemeSwitch />
        <AccountMenu />
      </div>
    </section>
  );
}

function OperationsButton() {
  const busy = useRows(operations).filter((one) => one.state === "running" || one.state === "queued").length;
  const label = busy ? t("operations.busy", { n: busy }) : t("operations.title");
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} onClick={() => operationsOpen.set(true)} data-testid="operations-open" className="with-badge">
        <IconActivity className={busy ? "pulsing" : undefined} />
        {busy > 0 && <Badge circle size="xs" className="corner-badge">{busy}</Badge>}
      </ActionIcon>
    </Tooltip>
  );
}

function BottomBar() {
  const { path } = usePlace();
  return (
    <nav className="bottom" aria-label={t("nav.bottom")}>
      {[...PAGES.filter((one) => one.phone), { to: "/run", label: "run.short" as Key, icon: IconPlus }, { to: "/account", label: "account.title" as Key, icon: IconUser }].map(({ to, label, icon: Icon }) => (
        <Link key={to} href={to} aria-current={path.startsWith(to) ? "page" : undefined}><Icon size={20} /><span>{t(label)}</span></Link>
      ))}
    </nav>
  );
}
