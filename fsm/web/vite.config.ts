import { svelte } from '@sveltejs/vite-plugin-svelte'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

import { budgets } from './common/build/budgets.ts'
import { messages } from './common/build/messages.ts'
import { strict } from './common/build/strict.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('office'),
  base: '/office/',
  plugins: [
    messages(
      [here('common/messages'), here('office/messages'), here('office/figures/messages')],
      here('generated/messages.d.ts'),
      [here('common'), here('office')],
    ),
    svelte({ ...strict, configFile: false }),
    budgets({ board: 150_000, figures: 90_000, 'sign-in': 90_000 }),
  ],
  resolve: { alias: { $common: here('common') } },
  build: {
    outDir: here('built'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: ['board', 'figures', 'sign-in'].map((page) => here(`office/${page}.html`)),
    },
  },
})
