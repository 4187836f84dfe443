// A job's state in words and marks.
import type { IconName } from '$common/controls/Icon.svelte'
import { t } from '$common/messages.ts'
import { clock, dayName } from '$common/times.ts'

import type { JobLine } from './portal.svelte.ts'

/** What may be promised, in the order in which it happens. */
export const clocks = ['response', 'arrival', 'restoration', 'resolution', 'statutory'] as const

const icons: Record<string, IconName> = {
  received: 'open', planned: 'planned', on_the_way: 'travelling', in_progress: 'on_site', done: 'finished',
}

export function stepIcon(job: JobLine): IconName {
  return job.cancelled_at ? 'aborted' : (icons[job.current] ?? 'info')
}

/** Mon, 23 March, 10:00–12:00 */
export function windowOf(window: { starts_at: string; ends_at: string }, zone: string): string {
  return `${dayName(window.starts_at, zone)}, ${clock(window.starts_at, zone)}–${clock(window.ends_at, zone)}`
}

export function momentOf(at: string, zone: string): string {
  return `${dayName(at, zone)}, ${clock(at, zone)}`
}

export function isLate(job: JobLine): boolean {
  return !!job.window && !!job.arrival_at && Date.parse(job.arrival_at) > Date.parse(job.window.ends_at)
}

/** What a customer wants to know first: when somebody comes, or when it was done. */
export function when(job: JobLine): string {
  if (job.cancelled_at) return t('portal.cancelled_at', { moment: momentOf(job.cancelled_at, job.zone) })
  if (job.done_at) return t('portal.done_at', { moment: momentOf(job.done_at, job.zone) })
  if (job.current === 'in_progress') return t('portal.at_work')
  if (job.current === 'on_the_way' && job.arrival_at) return t('portal.arrival', { moment: momentOf(job.arrival_at, job.zone) })
  if (job.window) return t('portal.window', { window: windowOf(job.window, job.zone) })
  if (job.arrival_at) return t('portal.arrival', { moment: momentOf(job.arrival_at, job.zone) })
  return t('portal.no_time_yet')
}
