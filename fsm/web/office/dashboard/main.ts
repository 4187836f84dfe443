import { start } from '../shell/start.ts'
import Dashboard from './Dashboard.svelte'

await start(Dashboard, 'title.dashboard')
