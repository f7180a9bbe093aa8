/** What the signed-in user may do, as far as menus need to know: the server decides anew at each call. */
import { session, type User } from "./session";
import { useValue } from "./store";

export type Right = "view" | "operate" | "deploy" | "manage" | "admin";

const ROLES: Record<string, number> = { viewer: 1, operator: 2, deployer: 3, owner: 4 };
const LEAST: Record<Right, number> = { view: 1, operate: 2, deploy: 3, manage: 4, admin: 5 };

/** The team whose objects are shown: "default", or the first of theirs (docs/realtime.md). */
export function teamOf(user: User): { name: string; role: string } | null {
  return user.teams.find((team) => team.name === "default") ?? user.teams[0] ?? null;
}

export function mayUser(user: User | null, right: Right): boolean {
  if (!user) return false;
  if (user.admin) return true;
  return (ROLES[teamOf(user)?.role ?? ""] ?? 0) >= LEAST[right];
}

export function may(right: Right): boolean {
  return mayUser(session.get()?.user ?? null, right);
}

export function useMay(right: Right): boolean {
  return mayUser(useValue(session)?.user ?? null, right);
}
