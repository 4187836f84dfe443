// How Svelte is compiled here: what it warns of, accessibility first of all, fails the build.
interface Warning {
  code: string
  message: string
  filename?: string
  start?: { line: number }
}

export const strict = {
  compilerOptions: { runes: true },
  onwarn(warning: Warning): void {
    throw new Error(`${warning.filename}:${warning.start?.line} ${warning.code}: ${warning.message}`)
  },
}
