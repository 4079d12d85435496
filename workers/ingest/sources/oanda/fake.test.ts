import { afterEach, describe, expect, it } from 'vitest';
import type { FakeOanda } from './fake.ts';
import { accountId, closeAll, follow, price, startFake, token } from './tests/following.ts';

afterEach(closeAll);

describe('the fake', () => {
  const get = (fake: FakeOanda, path: string, headers: Record<string, string>, method = 'GET') =>
    fetch(fake.url + path, { method, headers });

  it('is as strict as OANDA', async () => {
    const fake = await startFake();
    const good = { Authorization: `Bearer ${token}` };
    const account = `/v3/accounts/${accountId}`;
    const statusOf = async (path: string, headers: Record<string, string>, method?: string) =>
      (await get(fake, path, headers, method)).status;
    expect(await statusOf('/v3/accounts', good)).toBe(404);
    expect(await statusOf(`${account}/instruments/`, good)).toBe(404);
    expect(await statusOf(`${account}/instruments`, good, 'POST')).toBe(405);
    expect(await statusOf(`${account}/instruments`, { Authorization: token })).toBe(401);
    expect(await statusOf('/v3/accounts/1-1-1-1/instruments', good)).toBe(403);
    expect(await statusOf('/v3/accounts/abc/instruments', good)).toBe(400);
    expect(await statusOf(`${account}/pricing/stream`, good)).toBe(400);
    expect(await statusOf(`${account}/pricing/stream?instruments=`, good)).toBe(400);
    expect(await statusOf(`${account}/pricing/stream?instruments=EUR_USD,NO`, good)).toBe(400);
    expect(await statusOf(`${account}/instruments`, good)).toBe(200);
  });

  it('sends the last price of a slot', async () => {
    const fake = await startFake({ slotMs: 50 });
    const feed = follow(fake);
    await fake.opened(1);
    for (const bid of ['1.1', '1.2', '1.3']) fake.push(price({ bid }));
    await feed.until(() => feed.ticks.length > 0);
    expect(feed.ticks.map(sent => sent.bid)).toEqual([1.3]);
  });
});
