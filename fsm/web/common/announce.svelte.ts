// What has changed, in words, for those who do not see it change. One live region a page reads it out.
let said = $state({ text: '', turn: 0 })

export function announce(text: string): void {
  said = { text, turn: said.turn + 1 }
}

export function announced(): { text: string; turn: number } {
  return said
}
