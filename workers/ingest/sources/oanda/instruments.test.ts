import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { SourceError } from '../../source.ts';
import { FAKE_INSTRUMENTS } from './fake_prices.ts';
import { OANDA_WATCHLIST } from './source.ts';
import { closeAll, closers, createSource, startFake } from './tests/following.ts';

afterEach(closeAll);

describe('the instruments of OANDA', () => {
  it('are all of the account, or those like a pattern, with a wildcard', async () => {
    const source = createSource(await startFake());
    const like = async (...symbols: string[]) =>
      (await source.instruments(symbols)).map(({ symbol }) => symbol);
    expect(await like('*')).toEqual(FAKE_INSTRUMENTS.map(({ name }) => name));
    expect(await like('XAU_USD', '*_USD')).toEqual([
      'XAU_USD',
      'EUR_USD',
      'GBP_USD',
      'AUD_USD',
      'SPX500_USD',
    ]);
    expect(await like('USD_*D')).toEqual(['USD_CAD']);
    await expect(like('EUR_*X')).rejects.toThrow('OANDA offers nothing like "EUR_*X"');
  });

  it('have the calendar of their kind, as far as OANDA tells it', async () => {
    const fake = await startFake();
    const tag = (name: string) => [{ type: 'ASSET_CLASS', name }];
    const cfds = { WTICO_USD: tag('COMMODITY'), BTC_USD: tag('CRYPTO'), DE30_EUR: 'none' };
    const list = Object.entries(cfds).map(([name, tags]) => ({ name, displayName: name, tags }));
    fake.listMore(list.map(each => JSON.stringify({ ...each, displayPrecision: 1, type: 'CFD' })));
    const source = createSource(fake);
    const asked = ['EUR_USD', 'XAU_USD', 'SPX500_USD', ...Object.keys(cfds)];
    const all = await source.instruments(asked);
    expect(all.map(({ calendar }) => calendar)).toEqual([
      ...['fx', 'metals', 'cfd', 'cfd', undefined, undefined],
    ]);
  });

  it('are the watchlist when none is asked for, with their names and precisions', async () => {
    const source = createSource(await startFake());
    expect(source).toMatchObject({ name: 'oanda', isSimulated: false });
    const instruments = await source.instruments([]);
    expect(instruments.map(instrument => instrument.symbol)).toEqual(OANDA_WATCHLIST);
    expect(await source.instruments(['USD_JPY', 'EUR_USD', 'USD_JPY'])).toEqual([
      { symbol: 'USD_JPY', description: 'USD/JPY', pricePrecision: 3, calendar: 'fx' },
      { symbol: 'EUR_USD', description: 'EUR/USD', pricePrecision: 5, calendar: 'fx' },
    ]);
  });

  it('name a symbol that the account does not have, which keeps nobody from the others', async () => {
    const source = createSource(await startFake());
    const skipped: unknown[] = [];
    const found = await source.instruments(['EUR_USD', 'DOGE_USD'], undefined, all =>
      skipped.push(...all),
    );
    expect(found.map(({ symbol }) => symbol)).toEqual(['EUR_USD']);
    expect(skipped).toEqual([{ name: '"DOGE_USD"', why: 'OANDA does not offer it now' }]);
    const asking = source.instruments(['DOGE_USD']);
    await expect(asking).rejects.toThrow(SourceError);
    await expect(asking).rejects.toThrow('"DOGE_USD"');
  });

  it('come in spite of hiccups, and not when these do not end', async () => {
    const fake = await startFake();
    fake.refuseNext(3, 503);
    expect(await createSource(fake).instruments([])).toHaveLength(8);
    fake.refuseNext(2, 503);
    const asking = createSource(fake, { timings: { instrumentTries: 2 } }).instruments([]);
    await expect(asking).rejects.toThrow('OANDA cannot be reached: HTTP 503');
    await expect(asking).rejects.not.toThrow(SourceError);
  });

  it('are asked for again when OANDA says, and that is told before', async () => {
    const fake = await startFake();
    fake.refuseNext(1, 429, { 'Retry-After': '1' });
    const since = performance.now();
    const told: unknown[] = [];
    const tell = (...args: unknown[]) => told.push([...args, fake.requests.length]);
    expect(await createSource(fake).instruments([], undefined, undefined, tell)).toHaveLength(8);
    expect(told).toEqual([[1_000, 'HTTP 429', 1]]);
    expect(performance.now() - since).toBeGreaterThanOrEqual(1_000);
  });

  it('are asked for with a limit of time', async () => {
    const mute = createServer(() => {});
    await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve));
    closers.push(
      async () => mute.closeAllConnections(),
      async () => mute.close(),
    );
    const address = mute.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const source = createSource(
      { url: `http://127.0.0.1:${port}` },
      { timings: { answer: 20, instrumentTries: 2 } },
    );
    await expect(source.instruments([])).rejects.toThrow('nothing came for 0.02 s');
  });
});
