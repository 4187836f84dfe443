// What an error is called in front of people.
import { Problem, Unreachable } from '$common/api.ts'
import { t } from '$common/messages.ts'

export function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message
  if (error instanceof Unreachable) return t('unreachable')
  return t('unexpected', { detail: String(error) })
}
