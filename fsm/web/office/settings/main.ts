import { start } from '../shell/start.ts'
import Settings from './Settings.svelte'

await start(Settings, 'title.settings')
