/** The shapes of answers.js; see there. */
export function isBlank(value: unknown): boolean;
export function faults(item: object, value: unknown): { code: "shape" | "limit"; rule: string }[];
export function meterReading(value: unknown): unknown;
export function hasRolledOver(value: unknown): boolean;
