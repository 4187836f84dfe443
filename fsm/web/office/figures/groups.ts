// Which figures stand together, and which is read beside which, so that neither is bettered at the other's cost.
export interface Tile {
  figure: string
  beside?: string
}

export const groups = [
  {
    name: 'service',
    tiles: [
      { figure: 'sla_response', beside: 'reopen' },
      { figure: 'sla_restoration', beside: 'rework' },
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

/** Everything that tiles and sections show of the whole scope, each once. */
export function asked(): string[] {
  const tiles: readonly Tile[] = groups.flatMap((group): readonly Tile[] => group.tiles)
  const shown = tiles.flatMap((one) => (one.beside ? [one.figure, one.beside] : [one.figure]))
  return [...new Set(shown)]
}
