// Stops at warehouses for parts that vans lack: each stands with the visits that it is for.
import { number, t } from '$common/messages.ts'
import { clock } from '$common/times.ts'

import type { Visit } from './board.svelte.ts'

export type PickUp = Visit['pick_ups'][number]

export interface Stop {
  id: string
  technician_id: string
  place: string
  latitude: number | null
  longitude: number | null
  from: number
  travel_s: number
  /** What is fetched, and for which visit; the visits in order of time. */
  fetched: { visit: Visit; pick_up: PickUp }[]
}

/** The stops of these visits, in order of time. */
export function stopsOf(visits: Visit[]): Stop[] {
  const stops = new Map<string, Stop>()
  for (const visit of visits) {
    for (const pick_up of visit.pick_ups) {
      const { id, place, latitude, longitude, travel_s } = pick_up
      const known = stops.get(id)
      if (known) known.fetched.push({ visit, pick_up })
      else {
        const from = Date.parse(pick_up.starts_at)
        stops.set(id, { id, technician_id: visit.technician_id, place, latitude, longitude, from, travel_s, fetched: [{ visit, pick_up }] })
      }
    }
  }
  return [...stops.values()].sort((a, b) => a.from - b.from)
}

/** "2 × P-1 Door roller". */
export function partOf({ quantity, part, name }: PickUp): string {
  return t('pick_up.part', { quantity: number(quantity), part, name })
}

/** "Parts from Depot North, 08:20: 2 × P-1 Door roller (W-12)". */
export function stopText({ place, from, fetched }: Stop, zone: string): string {
  const parts = fetched.map(({ visit, pick_up }) => t('pick_up.part_for', { part: partOf(pick_up), number: visit.number }))
  return t('pick_up.stop', { place, clock: clock(from, zone), parts: parts.join(', ') })
}

/** What is fetched before a visit, in a line; empty where nothing is. */
export function fetchedText(visit: Visit): string {
  return visit.pick_ups.map((one) => t('pick_up.before', { part: partOf(one), place: one.place })).join(', ')
}
