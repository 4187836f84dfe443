import '$common/base.css'

import { mount } from 'svelte'

import { loadLanguage, t } from '$common/messages.ts'
import { applyTheme } from '$common/theme.ts'

import SignIn from './SignIn.svelte'

applyTheme()
await loadLanguage()
document.title = t('title.sign_in')
mount(SignIn, { target: document.getElementById('page')! })
