// How each status looks: the same everywhere.
import type { IconName } from './Icon.svelte'

export interface Look {
  icon: IconName
  tone: 'quiet' | 'active' | 'good' | 'warn' | 'alarm'
  pattern: 'plain' | 'dashed' | 'double'
}

const looks: Record<string, Look> = {
  open: { icon: 'open', tone: 'quiet', pattern: 'dashed' },
  planned: { icon: 'planned', tone: 'quiet', pattern: 'dashed' },
  scheduled: { icon: 'planned', tone: 'quiet', pattern: 'dashed' },
  dispatched: { icon: 'dispatched', tone: 'quiet', pattern: 'plain' },
  travelling: { icon: 'travelling', tone: 'active', pattern: 'plain' },
  on_site: { icon: 'on_site', tone: 'active', pattern: 'double' },
  in_progress: { icon: 'on_site', tone: 'active', pattern: 'double' },
  paused: { icon: 'paused', tone: 'warn', pattern: 'dashed' },
  work_done: { icon: 'finished', tone: 'warn', pattern: 'dashed' },
  finished: { icon: 'finished', tone: 'good', pattern: 'plain' },
  completed: { icon: 'finished', tone: 'good', pattern: 'plain' },
  closed: { icon: 'finished', tone: 'good', pattern: 'double' },
  cancelled: { icon: 'aborted', tone: 'quiet', pattern: 'plain' },
  aborted: { icon: 'aborted', tone: 'alarm', pattern: 'plain' },
  rejected: { icon: 'aborted', tone: 'alarm', pattern: 'dashed' },
  withdrawn: { icon: 'aborted', tone: 'quiet', pattern: 'dashed' },
}

export function look(status: string): Look {
  return looks[status] ?? { icon: 'info', tone: 'quiet', pattern: 'plain' }
}
