/** Listening for pokes: the stream says that there is something to pull, never what. */
import { type Request, ask } from "./http.ts";

/** The server shows that it is still there every 20 s. */
const SILENCE_MS = 70_000;

export interface Poke {
  kind: "hello" | "poke" | "resync" | "bye";
  data: { head?: number; epoch?: string; retry_ms?: number };
}

/** Follow the stream until it ends; `known` is the head up to which everything is here. */
export function follow(url: string, request: Request, known: number, told: (poke: Poke) => void): Promise<void> {
  const headers: Record<string, string> = known ? { "Last-Event-ID": String(known) } : {};
  return ask(
    `${url}/sync/v1/stream`,
    { ...request, headers },
    async (answer, heard) => {
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        heard();
        const events = (text + part.value).split("\n\n");
        text = events.pop()!;
        for (const event of events) {
          const kind = /^event: (.*)$/m.exec(event)?.[1] as Poke["kind"] | undefined;
          if (kind) told({ kind, data: JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "{}") });
        }
      }
    },
    SILENCE_MS,
  );
}
