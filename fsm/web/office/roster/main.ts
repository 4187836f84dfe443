import { start } from '../shell/start.ts'
import Roster from './Roster.svelte'

await start(Roster, 'title.roster')
