/** The shapes of verdict.js; see there. */
export interface Template {
  items: { id: string; kind: string; [member: string]: unknown }[];
  [member: string]: unknown;
}

export interface Facts {
  facts_rev: number;
  finishing_visit: string | null;
  answers: { item: string; value: unknown; visit: string; order: number }[];
  photos: {
    photo_id: string;
    visit: string;
    item: string;
    slot: number;
    state: string;
    mime: string;
    size: number;
  }[];
  signatures: { item: string; visit: string; photo_id: string; name: string; order: number }[];
  declines: { item: string; visit: string; reason: string; order: number }[];
  waivers: { item: string; by: string; reason: string; name?: string }[];
  last_readings: Record<string, number>;
  asset_codes: string[];
  part_codes: string[];
  job: Record<string, unknown>;
  asset: Record<string, unknown>;
}

export interface Verdict {
  facts_rev: number;
  met: boolean;
  unmet: { at: string; code: string; rule?: string; photo_id?: string; state?: string }[];
  waived: unknown[];
  flags: unknown[];
}

export function verdict(template: Template, facts: Facts): Verdict;
export function finishAllowed(judged: Verdict): boolean;
export function demands(
  template: Template,
  facts: Facts,
): Record<string, { visible: boolean; required: string | null; photos: number }>;
export function rulesSha256(template: Template): Promise<string>;
