/** Who is signed in. */
import { ApiError, berth, onSignedOut } from "./api";
import { Value } from "./store";

export interface User {
  id: string | number;
  name: string;
  admin: boolean;
  teams: { name: string; role: string }[];
}
export interface Session {
  user: User | null;
  setup_required: boolean;
  version: string;
}

/** Null until the first answer of the server. */
export const session = new Value<Session | null>(null);
/** The server could not be asked: its words, or "" when it could not be reached at all. */
export const sessionError = new Value<string | null>(null);

/** Ask who we are; true if someone is signed in. */
export async function loadSession(): Promise<boolean> {
  try {
    const found = await berth.get<Session>("/session");
    sessionError.set(null);
    session.set(found);
    return found.user !== null;
  } catch (error) {
    if (session.get() === null) sessionError.set(error instanceof ApiError ? error.message : String(error));
    return session.get()?.user != null;
  }
}

export async function signIn(name: string, password: string): Promise<void> {
  session.set(await berth.post<Session>("/session", { name, password }));
}

export async function setUp(token: string, name: string, password: string): Promise<void> {
  session.set(await berth.post<Session>("/setup", { token, name, password }));
}

export async function signOut(): Promise<void> {
  await berth.remove("/session");
  forget();
}

function forget(): void {
  const now = session.get();
  if (now) session.set({ ...now, user: null });
}

onSignedOut(forget);
