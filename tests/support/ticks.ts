import fc from 'fast-check';
import type { Tick } from '../../workers/ingest/source.ts';

/** A tick with what matters to a test; the rest was not sent. */
export function tickOf(
  symbol: string,
  observedAt: string,
  rest: Partial<Omit<Tick, 'symbol' | 'observedAt'>>,
): Tick {
  return { symbol, observedAt, seq: 0, bid: null, ask: null, last: null, size: null, ...rest };
}

/** A time on 2 March 2026: `10:00:00.5` is half a second past ten. */
export function at(time: string): string {
  return `2026-03-02T${time}Z`;
}

/** `2026-03-02 10:00:00+00` as ISO 8601, or the other way round: the oracle and the database differ. */
export function iso(text: string): string {
  return new Date(text.replace(' ', 'T').replace(/\+00$/, 'Z')).toISOString();
}

/** A time in whole seconds after 10:00 of that day. */
export function secondsAfter(seconds: number): string {
  return new Date(Date.UTC(2026, 2, 2, 10) + seconds * 1_000).toISOString();
}

/** Few keys and few prices: ticks repeat and contradict each other. */
export const collidingTick = fc.record({
  observedAt: fc.constantFrom(at('10:00:00'), at('10:00:00.000001'), at('10:01:00')),
  seq: fc.constantFrom(0, 1),
  bid: fc.constantFrom(1, 2, null),
  ask: fc.constantFrom(3, null),
  last: fc.constantFrom(2.5),
  size: fc.constantFrom(10, null),
});
