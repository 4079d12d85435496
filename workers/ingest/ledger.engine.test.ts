import { expect, it } from 'vitest';
import { describeOnEngine, testLogger } from '../../tests/support/database.ts';
import { createFeed } from './feed.ts';
import { createLedger } from './ledger.ts';
import { type Reason, reject } from './rejection.ts';

describeOnEngine('The ledger of a source', ({ sql }) => {
  it('counts every rejection of a flood that came while the database was away', async () => {
    let isAway = true;
    const real = createFeed(sql);
    const feed = {
      ...real,
      rejectTicks: async (...all: Parameters<typeof real.rejectTicks>) => {
        if (isAway) throw new Error('the database is away');
        await real.rejectTicks(...all);
      },
    };
    const ledger = createLedger({ feed, source: 'replay', logger: testLogger });
    const flood = (reason: Reason, length: number): void => {
      for (let line = 0; line < length; line++) {
        const rejection = reject(null, { reason, detail: `line ${line}` }, 'x');
        ledger.take({ kind: 'rejected', rejection });
      }
    };
    flood('malformed', 100_000);
    flood('no_price', 10);
    await ledger.write(async () => true).catch(() => undefined);
    flood('no_price', 20_000);
    flood('malformed', 1);
    isAway = false;
    await ledger.write(async () => true);
    const rows = await sql<{ reason: string; count: number }[]>`
      select reason, count::int from feed.rejections where source = 'replay' order by reason`;
    expect([...rows]).toEqual([
      { reason: 'malformed', count: 100_001 },
      { reason: 'no_price', count: 20_010 },
    ]);
    const [state] = await sql`
      select rejected_count::int as count from feed.source_states where source = 'replay'`;
    expect(state).toEqual({ count: 120_011 });
    const [kept] = await sql`
      select count(*)::int from feed.rejected_ticks where source = 'replay'`;
    expect(kept).toEqual({ count: 1_001 });
  });
});
