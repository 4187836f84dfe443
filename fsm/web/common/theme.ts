// Light, dark, outdoor, or as the system has it; kept in this browser.
import { remember, remembered } from './remembered.ts'

export const themes = ['system', 'light', 'dark', 'outdoor'] as const
export type Theme = (typeof themes)[number]

const NAME = 'fsm.theme'

export function currentTheme(): Theme {
  const kept = remembered(NAME)
  return themes.find((one) => one === kept) ?? 'system'
}

export function applyTheme(theme: Theme = currentTheme()): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export function chooseTheme(theme: Theme): void {
  remember(NAME, theme)
  applyTheme(theme)
}
