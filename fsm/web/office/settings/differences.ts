// What is otherwise in one JSON document than in another, leaf by leaf, in the order of the new one.
export interface Difference {
  /** `targets[2].target_s` */
  at: string
  was: string
  becomes: string
}

export function differences(before: unknown, after: unknown): Difference[] {
  const was = new Map(leaves(before))
  const becomes = new Map(leaves(after))
  return [...new Set([...becomes.keys(), ...was.keys()])]
    .filter((at) => was.get(at) !== becomes.get(at))
    .map((at) => ({ at, was: was.get(at) ?? '', becomes: becomes.get(at) ?? '' }))
}

function leaves(value: unknown, at = ''): [string, string][] {
  if (Array.isArray(value)) {
    // What is listed with a name keeps it: moved is not changed.
    return value.flatMap((one, place) => leaves(one, `${at}[${nameOf(one) ?? place}]`))
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, one]) => leaves(one, at ? `${at}.${key}` : key))
  }
  return value === null || value === undefined ? [] : [[at, String(value)]]
}

function nameOf(one: unknown): string | undefined {
  if (typeof one !== 'object' || one === null) return undefined
  const { id, code, clock, priority, skill } = one as Record<string, unknown>
  if (clock !== undefined) return `${clock} ${priority}`
  return (id ?? code ?? skill) as string | undefined
}
