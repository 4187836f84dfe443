import { svelte } from '@sveltejs/vite-plugin-svelte'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

import { budgets } from '../../fsm/web/common/build/budgets.ts'
import { messages } from '../../fsm/web/common/build/messages.ts'
import { strict } from '../../fsm/web/common/build/strict.ts'
import { precache } from './build/precache.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const common = here('../../fsm/web/common')

export default defineConfig({
  root: here('.'),
  base: './',
  plugins: [
    messages([`${common}/messages`, here('messages')], here('generated/messages.d.ts'), [common, here('src')]),
    svelte({ ...strict, configFile: false }),
    budgets({ index: 120_000 }),
    precache(here('public')),
  ],
  // The shared controls lie beside another project's packages: there must be one Svelte.
  resolve: { alias: { $common: common }, dedupe: ['svelte'] },
  build: {
    outDir: here('built'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: here('index.html'), sw: here('src/sw.ts') },
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
})
