/** Terminals that are open, apart from any page that shows them. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { HOST, stream } from "../../core/live";
import { Value } from "../../core/store";

const STORED = "berth.terminals";
const SCROLLBACK = 10_000;
const THEME = {
  background: "#0a1018", foreground: "#dbe3ec", cursor: "#5cc8de", selectionBackground: "#2a4a63",
  black: "#233042", red: "#ff6b6b", green: "#69db7c", yellow: "#ffd43b", blue: "#74b3ff", magenta: "#da77f2", cyan: "#3bc9db", white: "#ced4da",
  brightBlack: "#8794a3", brightRed: "#ff8787", brightGreen: "#8ce99a", brightYellow: "#ffe066", brightBlue: "#91c4ff", brightMagenta: "#e599f7", brightCyan: "#66d9e8", brightWhite: "#f8f9fa",
};

const FONT = '13px "JetBrains Mono Variable"';
const LOOK = {
  fontFamily: '"JetBrains Mono Variable", ui-monospace, Menlo, Consolas, monospace',
  fontSize: 13,
  lineHeight: 1.2,
  scrollback: SCROLLBACK,
  theme: THEME,
  minimumContrastRatio: 4.5,
};

export interface How {
  shell: string;
  user: string;
}

export class Session {
  /** Exit code once the shell is over; "" when the session was lost; null while it lives. */
  readonly ended = new Value<string | null>(null);
  readonly key: string;
  private readonly element = document.createElement("div");
  readonly xterm: Terminal;
  private readonly fit = new FitAddon();
  private opened = false;
  private attaching = false;

  constructor(readonly container: string, readonly term: string) {
    this.key = term;
    this.element.style.width = this.element.style.height = "100%";
    this.xterm = new Terminal({ ...LOOK, cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches });
    this.xterm.loadAddon(this.fit);
    // What is typed here is the shell's: the page's own keys must not see it.
    this.xterm.attachCustomKeyEventHandler((event) => {
      event.stopPropagation();
      return true;
    });
    this.xterm.onData((data) => {
      if (this.ended.get() === null && stream.socket.connected) stream.socket.emit("terminal.input", { term, data });
    });
    this.xterm.onResize(({ cols, rows }) => {
      if (this.ended.get() === null && stream.socket.connected) stream.socket.emit("terminal.resize", { term, cols, rows });
    });
  }

  /** Put it into a page; returns how to take it out again. */
  show(box: HTMLElement): () => void {
    box.replaceChildren(this.element);
    if (!this.opened) this.xterm.open(this.element);
    this.opened = true;
    const fit = () => {
      if (box.clientWidth > 0 && box.clientHeight > 0) this.fit.fit();
    };
    fit();
    // The size of a character is known once the font is there.
    void document.fonts.ready.then(fit);
    this.xterm.focus();
    const resizes = new ResizeObserver(fit);
    resizes.observe(box);
    return () => {
      resizes.disconnect();
      this.element.remove();
    };
  }

  output(data: string): void {
    // The replay after a reconnect brings what is on screen already.
    if (this.attaching) this.xterm.reset();
    this.attaching = false;
    this.xterm.write(data);
  }

  /** Take the session over again on a new connection. */
  async attach(): Promise<void> {
    this.attaching = true;
    await stream.request("terminal.attach", { term: this.term });
    const { cols, rows } = this.xterm;
    stream.socket.emit("terminal.resize", { term: this.term, cols, rows });
  }

  end(code: string): void {
    if (this.ended.get() === null) this.ended.set(code);
  }
}

class Sessions {
  private readonly open_ = new Map<string, Session>();
  /** Output that came before its session was made here. */
  private readonly early = new Map<string, string[]>();

  constructor() {
    stream.socket.on("terminal.output", ({ term, data }: { term: string; data: string }) => {
      const session = this.byTerm(term);
      if (session) session.output(data);
      else this.early.set(term, [...(this.early.get(term) ?? []).slice(-200), data]);
    });
    stream.socket.on("terminal.exit", ({ term, code }: { term: string; code: number | null }) => {
      this.byTerm(term)?.end(code === null ? "–" : String(code));
      this.forget(term);
    });
    stream.connection.subscribe(() => {
      if (stream.connection.get() !== "online") return;
      for (const session of this.open_.values()) if (session.ended.get() === null) session.attach().catch(() => session.end(""));
    });
  }

  find(container: string): Session | null {
    return this.open_.get(container) ?? null;
  }

  /** Start a shell; `box` is where it will be shown: the shell knows that size from its first byte on. */
  async open(container: string, how: How, box: HTMLElement | null): Promise<Session> {
    const cmd = how.shell === "auto" ? undefined : [how.shell];
    const size = box ? await sizeOf(box) : { cols: 80, rows: 24 };
    const answer = await stream.request<{ term: string }>("terminal.open", { host: HOST, id: container, ...size, ...(cmd ? { cmd } : {}), ...(how.user ? { user: how.user } : {}) });
    return this.add(container, answer.term);
  }

  /** The session that this browser tab had before it was reloaded, if it still lives. */
  async restore(container: string): Promise<Session | null> {
    const term = stored()[container];
    if (!term) return null;
    const session = this.add(container, term);
    try {
      await session.attach();
      return session;
    } catch {
      this.open_.delete(container);
      this.forget(term);
      return null;
    }
  }

  close(session: Session): void {
    if (session.ended.get() === null) stream.socket.emit("terminal.close", { term: session.term });
    if (this.open_.get(session.container) === session) this.open_.delete(session.container);
    this.forget(session.term);
    session.xterm.dispose();
  }

  private add(container: string, term: string): Session {
    const session = new Session(container, term);
    this.open_.set(container, session);
    store({ ...stored(), [container]: term });
    for (const data of this.early.get(term) ?? []) session.output(data);
    this.early.delete(term);
    return session;
  }

  private byTerm(term: string): Session | undefined {
    return [...this.open_.values()].find((session) => session.term === term);
  }

  private forget(term: string): void {
    store(Object.fromEntries(Object.entries(stored()).filter(([, one]) => one !== term)));
  }
}

async function sizeOf(box: HTMLElement): Promise<{ cols: number; rows: number }> {
  await document.fonts.load(FONT);
  const probe = new Terminal(LOOK);
  const fit = new FitAddon();
  probe.loadAddon(fit);
  probe.open(box);
  const size = fit.proposeDimensions();
  probe.dispose();
  box.replaceChildren();
  return { cols: Math.min(1000, Math.max(2, size?.cols || 80)), rows: Math.min(1000, Math.max(2, size?.rows || 24)) };
}

function stored(): Record<string, string> {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}

function store(terms: Record<string, string>): void {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(terms));
  } catch {
    // Storage is off: a reload starts a new shell.
  }
}

export const sessions = new Sessions();
