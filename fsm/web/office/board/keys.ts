// Which key of the help was meant, whatever letters the keyboard writes: M stays where it is on a Russian one.

const SIGNS: Record<string, [string, string]> = { BracketLeft: ['[', '{'], BracketRight: [']', '}'], Slash: ['/', '?'] }

export function meant(event: KeyboardEvent): string {
  const { key, code } = event
  const sign = SIGNS[code]?.[event.shiftKey ? 1 : 0]
  // The key of the slash writes a full stop in Russian, that of the bracket ü in German.
  if (sign && !'[]{}/?'.includes(key)) return sign
  const isForeign = key.length === 1 && key > '\x7f'
  return isForeign && code.startsWith('Key') ? code.slice(3).toLowerCase() : key.toLowerCase()
}
