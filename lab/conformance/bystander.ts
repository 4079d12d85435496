import { randomBytes } from 'node:crypto';
import { capture } from '../../tests/support/database.ts';
import { whileAlone } from './holding.ts';
import type { World } from './world.ts';

/** All that there is of a service, by what it is. */
export type State = ReadonlyMap<string, string>;

export interface Bystander {
  state(): Promise<State>;
}

/** A service beside another that never computes, with changed candles and a history that wait for it. */
export async function addBystander(
  world: Pick<World, 'url' | 'sql' | 'addInstrument' | 'addIndicator' | 'record'>,
): Promise<Bystander> {
  const { url, sql } = world;
  const service = `bystander_${randomBytes(4).toString('hex')}`;
  const kind = `${service}_close`;
  const symbol = await world.addInstrument();
  await sql`select indicator.register_service(${service})`;
  await sql`select indicator.register_kind(${service}, ${kind}, 'Close', 'Neutral', 'Close', 'Close',
    parameters => '[]', columns => '{close}', outputs => '[{"name": "close", "unit": "price", "pane": "price"}]',
    bars_required => '[{"plus": 1}]')`;
  // Before its ticks: what another world captures, and nobody wants, is not kept.
  const id = await world.addIndicator(symbol, kind);
  await world.record(symbol, new Map([1, 2, 3].map(minute => [minute, minute])));
  await whileAlone(url, async () => {
    await capture(sql);
    await sql`
      select indicator.accept_candles(${service}, array_agg(${symbol}::text), array_agg(c.timeframe),
        array_agg(c.side), array_agg(c.bucket), array_agg(c.revision))
      from outbox.candles as c
      join indicator.definitions as d using (instrument_id, timeframe, side)
      where d.indicator_id = ${id}`;
  });

  async function state(): Promise<State> {
    const rows = await sql<{ what: string; rows: string }[]>`
      select 'signs of life' as what, coalesce(string_agg(p::text, E'\n' order by p.process, p.host, p.process_id), '') as rows
      from ops.processes as p where p.services @> array[${service}]
      union all
      select 'changed candles', coalesce(string_agg(p::text, E'\n' order by p.work_id), '')
      from indicator.pending as p where p.service = ${service}
      union all
      select 'history', coalesce(string_agg(b::text, E'\n'), '') from indicator.backfills as b where b.service = ${service}
      union all
      select 'values', coalesce(string_agg(v::text, E'\n' order by v.bucket), '')
      from indicator.values as v where v.indicator_id = ${id}
      union all
      select 'dead letters', coalesce(string_agg(l::text, E'\n' order by l.dead_letter_id), '')
      from indicator.dead_letters as l where l.service = ${service}`;
    return new Map(rows.map(row => [row.what, row.rows]));
  }

  const there = await state();
  if (!there.get('changed candles') || !there.get('history'))
    throw new Error('nothing waits for the service beside it');
  return { state };
}
