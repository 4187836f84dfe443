// How every page of the office begins: language, theme, who is signed in, then the page.
import '$common/base.css'
import './shell.css'

import { mount, type Component } from 'svelte'

import { Client } from '$common/api.ts'
import { BrowserSession } from '$common/browser-session.ts'
import { loadLanguage, t, type Key } from '$common/messages.ts'
import { applyTheme } from '$common/theme.ts'

import { opens, type Page } from './pages.ts'

export const session = new BrowserSession(toSignIn)
export const api = new Client(session)

export function maySee(page: Page): boolean {
  return opens(page, session)
}

export async function start(page: Component, title: Key): Promise<void> {
  applyTheme()
  const [found] = await Promise.all([session.resume().catch(() => null), loadLanguage()])
  document.title = t(title)
  if (found === null) return toSignIn()
  mount(page, { target: document.getElementById('page')! })
}

function toSignIn(): void {
  const here = location.pathname + location.search
  location.replace(`/office/sign-in?to=${encodeURIComponent(here)}`)
}
