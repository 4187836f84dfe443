import { loadLanguage, t } from "$common/messages.ts";
import { applyTheme } from "$common/theme.ts";
import { mount } from "svelte";
import App from "./App.svelte";
import { app } from "./app.svelte.ts";
import { followUpdates, keepShell } from "./update.svelte.ts";
import "$common/base.css";
import "./phone.css";

applyTheme();
await loadLanguage();
document.title = t("app.welcome");
await app.begin();
mount(App, { target: document.getElementById("app")! });
followUpdates();
keepShell();
