import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "@mantine/spotlight/styles.css";
import "./ui/base.css";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { loadSession } from "./core/session";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
void loadSession();
