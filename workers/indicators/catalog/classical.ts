// Every kind of the service `classical`; a new one is a file beside and a line here.
export { maCross } from './averages/ma_cross.ts';
export { rsi } from './oscillators/rsi.ts';
export { atr } from './volatility/atr.ts';
export { bollingerBands } from './volatility/bollinger_bands.ts';
export { donchianChannel } from './volatility/donchian_channel.ts';
export { keltnerChannels } from './volatility/keltner_channels.ts';
export { realisedVolatility } from './volatility/realised_volatility.ts';
export { squeeze } from './volatility/squeeze.ts';
export { zScore } from './volatility/z_score.ts';
