import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../tests/support/database.ts';
import { addIndicator, registerCatalog } from '../../tests/support/indicators.ts';
import { openProxy } from '../../tests/support/proxy.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { doorOfCalls, knownOf } from './hostile_calls.ts';
import type { Query } from './world.ts';

describeOnEngine('A hostile call of the soak', database => {
  const { sql } = database;
  const query: Query = async <Row>(text: string, values: unknown[] = []) => [
    ...(await sql.unsafe<Row[]>(text, values as string[])),
  ];
  const open = async () => doorOfCalls({ directUrl: database.url, query }, await knownOf(query));
  beforeAll(async () => {
    await registerCatalog(sql);
    await addIndicator(sql, await addInstrument(sql), { fast: 1, slow: 2 });
  });
  const web = (statement: string) => ({ role: 'foresight_web', statement });

  it('is drawn by its seed, of many functions under every role', async () => {
    const { draw, write } = await open();
    const drawn = Array.from({ length: 400 }, (_, seed) => draw(seed));
    expect(Array.from({ length: 400 }, (_, seed) => write(draw(seed)))).toEqual(drawn.map(write));
    expect(new Set(drawn.map(({ role }) => role)).size).toBe(7);
    const names = new Set(drawn.map(({ statement }) => /from ([\w.]+)\(/.exec(statement)?.[1]));
    expect(names.size).toBeGreaterThan(30);
  });

  it('leaves nothing, whatever comes of it', async () => {
    const { attempt, draw } = await open();
    const state = () => sql`
      select (select count(*) from feed.instruments) as instruments, (select count(*) from feed.ticks) as ticks,
        (select count(*) from outbox.subscriptions) as subscriptions, (select count(*) from ops.processes) as processes,
        (select count(*) from indicator.definitions) as indicators, (select count(*) from indicator.dead_letters) as letters`;
    const before = [...(await state())];
    const beat = web(`select ops.beat('web', 'here', 1)`);
    const kinds: Record<string, number> = {};
    for (let seed = 0; seed < 100; seed++) {
      const { kind, fault, suspicion } = await attempt(draw(seed));
      expect([fault, suspicion]).toEqual([undefined, undefined]);
      kinds[kind] = (kinds[kind] ?? 0) + 1;
    }
    expect(kinds.done).toBeGreaterThan(5);
    expect(kinds.refused).toBeGreaterThan(5);
    expect(await attempt(beat)).toEqual({ kind: 'done' });
    expect([...(await state())]).toEqual(before);
  });

  it('is told by what came of it', async () => {
    const { attempt } = await open();
    const raise = (code: string) =>
      web(`do $$ begin raise exception 'so it is' using errcode = '${code}'; end $$`);
    expect(await attempt(raise('NOWAY'))).toEqual({ kind: 'refused' });
    expect(await attempt(raise('40001'))).toEqual({ kind: '40001' });
    expect(await attempt(raise('XX000'))).toEqual({ kind: 'XX000', suspicion: 'XX000 so it is' });
    expect(await attempt(web('select pg_sleep(20)'))).toEqual({ kind: '57014' });
    expect(await attempt(web(`select 'infinity'::timestamptz, '1 BC-01-01'::text`))).toEqual({
      kind: 'done',
    });
  });

  it('is suspicious when its session is lost without a word', async () => {
    const proxy = await openProxy(database.url);
    try {
      const url = new URL(database.url);
      url.port = String(proxy.port);
      const { attempt } = await doorOfCalls({ directUrl: url.href, query }, await knownOf(query));
      const outcome = attempt(web('select pg_sleep(1.5), 4711'));
      await waitFor('it is called', async () => {
        const [row] = await sql<[{ count: number }]>`
          select count(*)::int as count from pg_stat_activity where query like 'select pg_sleep%4711'`;
        return row.count === 1;
      });
      proxy.reset();
      expect(await outcome).toEqual({
        kind: 'lost',
        suspicion: expect.stringMatching(/^the session was lost: /),
      });
    } finally {
      await proxy.close();
    }
  });

  it('waits for nobody for long', async () => {
    const { attempt } = await open();
    await sql.begin(async other => {
      await other`lock table ops.processes in access exclusive mode`;
      expect(await attempt(web(`select ops.beat('web', 'here', 1)`))).toEqual({ kind: '55P03' });
    });
  });

  it('finds no server, and says so', async () => {
    const { attempt } = await doorOfCalls(
      { directUrl: 'postgres://nobody@127.0.0.1:1/none', query },
      await knownOf(query),
    );
    expect(await attempt(web('select 1'))).toEqual({ kind: 'no server' });
  });
});
