// Every kind of the service `classical`; a new one is a file beside and a line here.
export { maCross } from './averages/ma_cross.ts';
export { rsi } from './oscillators/rsi.ts';
