import { start } from '../shell/start.ts'
import Desk from './Desk.svelte'

void start(Desk, 'title.desk')
