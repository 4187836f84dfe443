// Light, dark, outdoor, or as the system has it; kept in this browser.
export const themes = ['system', 'light', 'dark', 'outdoor'] as const
export type Theme = (typeof themes)[number]

const REMEMBERED = 'fsm.theme'

export function currentTheme(): Theme {
  const kept = localStorage.getItem(REMEMBERED)
  return themes.find((one) => one === kept) ?? 'system'
}

export function applyTheme(theme: Theme = currentTheme()): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(REMEMBERED, theme)
  applyTheme(theme)
}
