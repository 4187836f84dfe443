// A file of the app as Node runs it: what browsers get of it, bundled and not minified.
import { mkdtemp, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const APP = fileURLToPath(new URL("../../../mobile_api/pwa/", import.meta.url));

/** Resolves what the app itself depends on. */
export const need = createRequire(join(APP, "package.json"));

export async function bundled(entry) {
  const { rolldown } = await import(pathToFileURL(createRequire(need.resolve("vite")).resolve("rolldown")));
  const bundle = await rolldown({ input: join(APP, entry), platform: "node" });
  const { output } = await bundle.generate({ format: "es", codeSplitting: false });
  const file = join(await mkdtemp(join(tmpdir(), "fsm-phone-")), "phone.mjs");
  await writeFile(file, output[0].code);
  return import(pathToFileURL(file));
}
