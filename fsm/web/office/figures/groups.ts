// Which figures stand together, and which is read beside which, so that neither is bettered at the other's cost.
export interface Tile {
  figure: string
  beside?: string
  /** Not every company promises it: shown where there is anything to show. */
  ifAny?: true
}

export const groups = [
  {
    name: 'service',
    tiles: [
      { figure: 'sla_response', beside: 'reopen' },
      { figure: 'sla_arrival', beside: 'on_time', ifAny: true },
      { figure: 'sla_restoration', beside: 'rework' },
      { figure: 'sla_resolution', beside: 'sla_resolution:p90', ifAny: true },
      { figure: 'sla_statutory', beside: 'sla_statutory:p90', ifAny: true },
      { figure: 'first_time_fix', beside: 'repeat' },
      { figure: 'on_time', beside: 'utilisation' },
    ],
  },
  {
    name: 'equipment',
    tiles: [
      { figure: 'mtbf' },
      { figure: 'availability', beside: 'downtime' },
      { figure: 'restoration', beside: 'restoration:p90' },
      { figure: 'mrt', beside: 'mart' },
    ],
  },
  {
    name: 'work',
    tiles: [
      { figure: 'backlog', beside: 'backlog:weeks' },
      { figure: 'backlog:p90', beside: 'backlog:p50' },
      { figure: 'pm_compliance', beside: 'pm_ratio' },
      { figure: 'adherence', beside: 'utilisation' },
    ],
  },
  {
    name: 'money',
    tiles: [{ figure: 'cost' }, { figure: 'contract_margin', beside: 'contract_margin:share' }],
  },
] as const satisfies readonly { name: string; tiles: readonly Tile[] }[]

/** The clocks of service levels, in the order in which they run out. */
export const clocks: readonly Tile[] = groups[0].tiles.filter((one) => one.figure.startsWith('sla_'))

/** Everything that tiles and sections show of the whole scope, each once. */
export function asked(): string[] {
  const tiles: readonly Tile[] = groups.flatMap((group): readonly Tile[] => group.tiles)
  const shown = tiles.flatMap((one) => (one.beside ? [one.figure, one.beside] : [one.figure]))
  return [...new Set(shown)]
}
