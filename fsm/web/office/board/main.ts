import { start } from '../shell/start.ts'
import Board from './Board.svelte'

await start(Board, 'title.board')
