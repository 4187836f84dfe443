/** What goes over the line: the shapes of `/sync/v1`, as sync.md and the OpenAPI document describe them. */

import type { Unmet } from "$common/checklist.ts";

/** An RFC 9457 problem: `detail` is a sentence for people, the rest are facts for the app. */
export interface Problem {
  type?: string;
  code?: string;
  status?: number;
  title?: string;
  detail?: string;
  unmet?: Unmet[];
  [fact: string]: unknown;
}

export type { Unmet };

export interface Registration {
  device_id: string;
  token: string;
  epoch: string;
  server_time: string;
  next_seq: number;
  limits: { pull_changes: number; push_intents: number; push_bytes: number; photo_bytes: number };
  receipt_keys: ReceiptKey[];
}

export interface ReceiptKey {
  kid: string;
  key: string;
}

/** Any row of the feed; `access` is "revoked" while a row is being taken away, and `why` says for what reason. */
export interface Body {
  id: string;
  access?: "revoked";
  why?: string;
  [member: string]: any;
}

export interface Change {
  c: string;
  id: string;
  s: number;
  rev: number;
  op: "put" | "gone";
  d?: Body;
  why?: string;
}

export type Digest = Record<string, { n: number; sum: string }>;

export interface Page {
  epoch: string;
  since: string;
  head: number;
  complete: boolean;
  server_time: string;
  scopes: string[];
  dropped: string[];
  forget_upto: number;
  changes: Change[];
  digest?: Digest | null;
}

export interface Comparison {
  epoch: string;
  head: number;
  scopes: string[];
  put: Change[];
  gone: Record<string, string[]>;
  since: string | null;
  complete: boolean;
  forget_upto: number;
}

/** One link of the device's chain over a visit, base64url without padding. */
export interface Link {
  prev: string;
  h: string;
  sig: string;
}

/** What a technician did, as it is sent. `seq` counts this device's intents, `base_seq` is the head it knew. */
export interface Intent {
  id: string;
  seq: number;
  type: string;
  base_seq: number;
  occurred_at: string;
  mono_ms: number;
  boot: string;
  after: string[];
  data: IntentData;
  chain?: Link;
}

export interface IntentData {
  visit_id?: string;
  [member: string]: any;
}

export type OutcomeStatus = "applied" | "duplicate" | "waiting" | "rejected" | "quarantined";

export interface Outcome {
  id: string;
  status: OutcomeStatus;
  notes?: { code: string; [fact: string]: unknown }[];
  problem?: Problem;
  after?: string[];
  first?: Omit<Outcome, "id">;
}

export interface PushAnswer {
  head: number;
  want: number[];
  outcomes: Outcome[];
}

/** The server's signature that a photo's bytes have arrived, whole and durable. */
export interface Receipt {
  photo_id: string;
  sha256: string;
  size: number;
  device_id: string | null;
  received_at: string;
  kid: string;
  signature: string;
}
