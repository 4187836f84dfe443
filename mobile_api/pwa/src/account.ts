/**
 * Whose phone this is. Each login has a database of its own, so that signing out or handing the phone over
 * loses and mixes nothing; who has ever been here is remembered apart from it, to notice an erased database.
 */
import { uuidv7 } from "./sync/bytes.ts";
import { type Request, ask, postJson } from "./sync/http.ts";
import { register } from "./sync/engine.ts";
import { type Store, getMeta, openStore, setMeta } from "./store/database.ts";
import { type Spare, putBack, readBeside } from "./store/spare.ts";

const ACCOUNTS = "fsm.app.accounts";
const CURRENT = "fsm.app.account";

/** How often, and how long after another, a database is tried that the browser is in the midst of erasing. */
const REOPENINGS = 50;
const REOPENING_MS = 200;

export interface Account {
  login: string;
  name: string;
  store: string;
  install_id: string;
}

/** What lets a person register this phone. A code leaves no session behind, a password does. */
interface Entrance {
  access_token: string;
  name: string;
  login?: string;
  refresh_token?: string;
}

export interface Opened {
  account: Account;
  store: Store;
}

function accounts(): Account[] {
  return JSON.parse(localStorage.getItem(ACCOUNTS) ?? "[]") as Account[];
}

export function lastLogin(): string {
  return accounts().find(({ store }) => store === localStorage.getItem(CURRENT))?.login ?? accounts().at(-1)?.login ?? "";
}

export async function openAccount(closed: () => void): Promise<Opened | null> {
  const current = localStorage.getItem(CURRENT);
  const account = accounts().find(({ store }) => store === current);
  return account ? await open(account, closed) : null;
}

/** Open a login's database. Where the browser has erased it, what is left beside it is put back first. */
async function open(account: Account, closed: () => void): Promise<Opened> {
  const store = await openStore(account.store, closed);
  const isKnown = accounts().some((one) => one.store === account.store);
  if (isKnown && (await getMeta(store, "sentinel")) === undefined) {
    const none = { meta: { install_id: account.install_id, sentinel: account.install_id }, chains: [], entries: [], photos: [] };
    await putBack(store, readBeside(account.store) ?? none, Date.now());
  }
  return { account, store };
}

/** Open a database anew that was erased while it was open, with everything that the page still knew. */
export async function reopen(account: Account, spare: Spare, closed: () => void): Promise<Opened> {
  for (let tries = 1; ; tries += 1) {
    try {
      const store = await openStore(account.store, closed);
      if ((await getMeta(store, "sentinel")) === undefined) await putBack(store, spare, Date.now());
      remember(account);
      return { account, store };
    } catch (error) {
      if (tries === REOPENINGS) throw error;
      await new Promise((resolve) => setTimeout(resolve, REOPENING_MS)); // it is still erasing
    }
  }
}

function remember(account: Account): void {
  localStorage.setItem(ACCOUNTS, JSON.stringify([...accounts().filter(({ login }) => login !== account.login), account]));
  localStorage.setItem(CURRENT, account.store);
}

/** Sign in with a password and register this installation; whoever was here before finds everything again. */
export async function signIn(url: string, login: string, password: string, app: string, closed: () => void): Promise<Opened> {
  const entrance = await postJson<Entrance>(`${url}/api/sign-in`, { login: login.trim(), password });
  return enter(url, login.trim(), entrance, app, closed);
}

/** The same with the one-time code that the office shows. */
export async function enrol(url: string, code: string, app: string, closed: () => void): Promise<Opened> {
  const entrance = await postJson<Entrance>(`${url}/api/sign-in/enrolment`, { code: code.trim() });
  return enter(url, entrance.login!, entrance, app, closed);
}

async function enter(url: string, login: string, entrance: Entrance, app: string, closed: () => void): Promise<Opened> {
  const known = accounts().find((one) => one.login === login);
  const account = known ?? { login, name: entrance.name, store: `fsm-${uuidv7()}`, install_id: `app-${uuidv7()}` };
  const opened = await open(account, closed);
  await setMeta(opened.store, { install_id: account.install_id, person: { login, name: entrance.name } });
  await register(opened.store, url, entrance.access_token, app);
  await setMeta(opened.store, { sentinel: account.install_id });
  remember(account);
  // The device has a token of its own now: the person's session is not kept on the phone.
  const { refresh_token } = entrance;
  if (refresh_token) await ask(`${url}/api/sign-in`, ending(refresh_token), async () => {}).catch(() => {});
  return opened;
}

function ending(refresh_token: string): Request {
  return { method: "DELETE", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ refresh_token }) };
}

/** Forget the token and what customers' rows say; what is unsent stays for the same login. */
export async function signOut({ store }: Opened): Promise<void> {
  const writing = store.transaction(["meta", "rows", "files"], "readwrite");
  void writing.objectStore("rows").clear();
  void writing.objectStore("files").clear();
  void writing.objectStore("meta").put(null, "registration");
  void writing.objectStore("meta").put(null, "since");
  await writing.done;
  localStorage.removeItem(CURRENT);
}
