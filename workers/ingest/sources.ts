/** Every live source: a new one is a folder in `sources/` and a line here. */
export { oanda } from './sources/oanda/source.ts';
export { simulated } from './sources/simulated/source.ts';
