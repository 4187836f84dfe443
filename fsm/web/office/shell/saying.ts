// What an error is called in front of people.
import { Problem, Unreachable } from '$common/api.ts'
import { currentLanguage, t } from '$common/messages.ts'

export function sentenceOf(error: unknown): string {
  if (error instanceof Problem) return error.message
  if (error instanceof Unreachable) return t('unreachable')
  return t('unexpected', { detail: String(error) })
}

/** A text that people wrote in several languages: the reader's, else English, else whichever there is. */
export function inLanguage(texts: Record<string, string>): string {
  return texts[currentLanguage()] ?? texts.en ?? Object.values(texts)[0] ?? ''
}
