// What the server says has changed, put in the place of what it was.
import type { Answer } from '$common/api.ts'

import type { BoardData, Job, Visit } from './board.svelte.ts'
import { kept } from './kept.ts'

export type Changes = Answer<'/api/board/changes', 'get'>

/** The board with changes in it; where they bring nothing new it is the same object. */
export function changed(data: BoardData, changes: Changes): BoardData {
  const touched = new Set(changes.work_orders)
  const next = {
    ...data,
    visits: replaced(data.visits, changes.visits, touched, byPlace),
    waiting: replaced(data.waiting, changes.waiting, touched, byDue),
    shifts: changes.shifts ? kept(data.shifts, changes.shifts) : data.shifts,
    absences: changes.absences ? kept(data.absences, changes.absences) : data.absences,
  }
  const isSame = (['visits', 'waiting', 'shifts', 'absences'] as const).every((part) => next[part] === data[part])
  return isSame ? data : next
}

function replaced<T extends Visit | Job>(old: T[], fresh: T[], touched: Set<string>, order: (a: T, b: T) => number): T[] {
  const before = old.filter((one) => touched.has(one.work_order_id))
  if (before.length === 0 && fresh.length === 0) return old
  const now = kept(before, fresh.toSorted(order))
  if (now === before) return old
  return [...old.filter((one) => !touched.has(one.work_order_id)), ...now].sort(order)
}

// Both as the server puts them in order.

function byPlace(a: Visit, b: Visit): number {
  return by(a.technician_id, b.technician_id) || by(a.starts_at, b.starts_at) || by(a.id, b.id)
}

function byDue(a: Job, b: Job): number {
  const due = (one: Job) => one.respond_by ?? one.restore_by ?? '~'
  return by(due(a), due(b)) || a.priority - b.priority || by(a.reported_at, b.reported_at) || by(a.work_order_id, b.work_order_id)
}

function by(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
