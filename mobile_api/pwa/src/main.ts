import { loadLanguage, t } from "$common/messages.ts";
import { applyTheme } from "$common/theme.ts";
import { mount, unmount } from "svelte";
import App from "./App.svelte";
import { app } from "./app.svelte.ts";
import Unopened from "./pages/Unopened.svelte";
import { followUpdates, keepShell } from "./update.svelte.ts";
import "$common/base.css";
import "./phone.css";

/** Some browsers do not answer for a long time, or ever, when a database is opened. */
const PATIENCE_MS = 5_000;

applyTheme();
await loadLanguage();
document.title = t("app.welcome");
// An app that cannot open what it keeps is still replaced by one that can.
followUpdates();
keepShell();

const target = document.getElementById("app")!;
let told: Record<string, unknown> | undefined;

function tell(error: unknown): void {
  if (told) void unmount(told);
  told = mount(Unopened, { target, props: { error } });
}

const waiting = setTimeout(() => tell(null), PATIENCE_MS);
try {
  await app.begin();
  if (told) void unmount(told);
  mount(App, { target });
} catch (error) {
  tell(error);
} finally {
  clearTimeout(waiting);
}
