import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { SourceError } from '../../source.ts';
import type { OandaOptions } from './source.ts';
import { closeAll, closers, createSource, follow, startFake, token } from './tests/following.ts';

afterEach(closeAll);

describe('a refusal that will not change', () => {
  it.each([401, 403])('ends the source when it is HTTP %i, without the token', async status => {
    const fake = await startFake();
    fake.refuseNext(2, status);
    const feed = follow(fake);
    const asking = createSource(fake).instruments([]);
    for (const end of [feed.ended, asking]) {
      const error: unknown = await end.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(SourceError);
      expect(String(error)).toContain(`OANDA refused the token (HTTP ${status})`);
      expect(String(error)).toContain('OANDA_API_TOKEN');
      expect(String(error)).toContain('OANDA_ENVIRONMENT=practice');
      expect(String(error)).not.toContain(token);
      expect(String(error)).not.toContain('\n');
    }
    expect(feed.count('disconnected')).toBe(0);
  });

  it('is known by the real thing: wrong token, foreign and impossible account', async () => {
    const fake = await startFake();
    const wrong = (options: Partial<OandaOptions>) => createSource(fake, options).instruments([]);
    await expect(wrong({ token: 'other' })).rejects.toThrow(/HTTP 401.*OANDA_API_TOKEN/);
    await expect(wrong({ accountId: '101-004-7654321-001' })).rejects.toThrow(
      /HTTP 403.*OANDA_ACCOUNT_ID/,
    );
    await expect(wrong({ accountId: '../x' })).rejects.toThrow(/HTTP 400.*OANDA_ACCOUNT_ID/);
    // Not for a symbol that the account has no more: it has them all.
    fake.refuseNext(1, 400);
    await expect(follow(fake).ended).rejects.toThrow(
      'OANDA refused the request (HTTP 400, scripted refusal 400): check OANDA_ACCOUNT_ID and the symbols',
    );
  });

  it('ends the source when the account is not there', async () => {
    const fake = await startFake();
    fake.refuseNext(1, 404);
    await expect(follow(fake).ended).rejects.toThrow(/HTTP 404.*OANDA_ACCOUNT_ID/);
  });

  it('never repeats the token, even when the answer does', async () => {
    const echo = createServer((request, response) => {
      response.writeHead(400, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ errorMessage: `you sent ${request.headers.authorization}` }));
    });
    await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve));
    closers.push(
      async () => echo.close(),
      async () => echo.closeAllConnections(),
    );
    const address = echo.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const error: unknown = await createSource({ url: `http://127.0.0.1:${port}` })
      .instruments([])
      .catch((reason: unknown) => reason);
    expect(String(error)).toContain('you sent Bearer ***');
    expect(String(error)).not.toContain(token);
  });

  it('is a token that cannot be one', async () => {
    const fake = await startFake();
    for (const odd of ['', '  ', 'two words', 'line\nbreak', 'tökén']) {
      expect(() => createSource(fake, { token: odd })).toThrow(/^OANDA_API_TOKEN is empty or has/);
    }
    expect(await createSource(fake, { token: `${token}\n` }).instruments([])).toHaveLength(8);
  });
});
