import { svelte } from '@sveltejs/vite-plugin-svelte'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

import { budgets } from './common/build/budgets.ts'
import { messages } from './common/build/messages.ts'
import { strict } from './common/build/strict.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The pages of the office, each with the most script that it may need before it shows anything. */
const pages = { board: 150_000, desk: 90_000, roster: 90_000, figures: 90_000, settings: 90_000, portal: 90_000, 'sign-in': 90_000 }
const sentences = ['common', 'office', 'office/desk', 'office/roster', 'office/figures', 'office/settings', 'office/portal'].map((part) => here(`${part}/messages`))

export default defineConfig({
  root: here('office'),
  base: '/office/',
  plugins: [
    messages(
      sentences,
      here('generated/messages.d.ts'),
      [here('common'), here('office')],
    ),
    svelte({ ...strict, configFile: false }),
    budgets(pages),
  ],
  // The closing rules lie in the app's folder; what they need is found here.
  resolve: {
    alias: { $common: here('common'), $closing: here('../../mobile_api/pwa/closing') },
    dedupe: ['@bufbuild/cel'],
  },
  build: {
    outDir: here('built'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: Object.keys(pages).map((page) => here(`office/${page}.html`)),
    },
  },
})
