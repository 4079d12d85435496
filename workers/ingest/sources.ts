/** Every live source: a new one is a folder in `sources/` and a line here. */
export { binance } from './sources/binance/source.ts';
export { bybit } from './sources/bybit/source.ts';
export { coinbase } from './sources/coinbase/source.ts';
export { gappy } from './sources/gappy/source.ts';
export { kraken } from './sources/kraken/source.ts';
export { oanda } from './sources/oanda/source.ts';
export { simulated } from './sources/simulated/source.ts';
