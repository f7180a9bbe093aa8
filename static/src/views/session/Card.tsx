/** The frame around signing in and setting up. */
import { Paper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Logo } from "../../ui/Logo";
import { LanguageSwitch, SchemeSwitch } from "../shell/switches";
import "./session.css";

export function Card({ title, lead, children }: { title: string; lead?: ReactNode; children?: ReactNode }) {
  return (
    <div className="session-page">
      <div className="session-corner">
        <LanguageSwitch />
        <SchemeSwitch />
      </div>
      <main className="session-main">
        <div className="session-brand">
          <Logo size={44} />
          <span>Berth</span>
        </div>
        <Paper className="session-card" withBorder radius="lg">
          <Title order={1} size="h3">{title}</Title>
          {lead && <Text component="div" size="sm" c="dimmed" mt={6}>{lead}</Text>}
          {children}
        </Paper>
        <div id="overlays" />
      </main>
    </div>
  );
}
