import { start } from '../shell/start.ts'
import Figures from './Figures.svelte'

await start(Figures, 'title.figures')
