import { start } from '../shell/start.ts'
import Portal from './Portal.svelte'

await start(Portal, 'title.portal')
