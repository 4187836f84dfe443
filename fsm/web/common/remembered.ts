// What one browser remembers of its reader. Where storing is forbidden nothing is remembered, and the page works.

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // Forbidden or full: the choice holds while the page is open.
  }
}
