import { describe, expect, it } from 'vitest';
import { describeOnEngine, type TestDatabase } from '../../tests/support/database.ts';
import { checkNames } from './conform.ts';
import { nodeLine } from './subjects.ts';
import { type Candidate, expectAll, look, timeout } from './tests/look.ts';

const double = (fault: string, patienceMs: number): Candidate => ({
  service: `double_${fault}`,
  command: nodeLine('lab/conformance/tests/double.main.ts', fault),
  role: 'foresight_service',
  patienceMs,
});

/** What it breaks, beside something that it keeps. */
type Fault = readonly [name: string, fault: string, breaks: string, keeps: string];

const inHand = { message: 'restart with a message in hand', work: 'restart with work in hand' };
/** Of those who harm nobody else: they share a database. */
const own: readonly Fault[] = [
  ['strikes work off without values', 'strikes_off', 'values', 'history'],
  ['stores revisions of its own', 'invents_revisions', 'values', 'history'],
  ['keeps nothing of what it said', 'says_nothing', 'sayings', 'values'],
  ['counts on messages that come once', 'keeps_candles', 'redelivery', 'values'],
  ['believes whatever message comes last', 'trusts_messages', 'reordering', 'values'],
  ['forgets the windows after a candle', 'forgets_followers', 'late ticks', 'values'],
  ['deletes messages first', 'deletes_first', inHand.message, inHand.work],
  ['strikes work off first', 'finishes_first', inHand.work, 'history'],
  ['keeps something from value to value', 'remembers', 'recomputation', 'values'],
  ['does not name its process', 'beats_as_one', 'two processes', 'values'],
  ['waits for its queue for ever', 'waits_for_queue', 'queue outage', 'values'],
  ['dies of what is no message', 'dies_of_poison', 'poison', 'values'],
];
const others: readonly Fault[] = [
  ['strikes off what others have to do', 'strikes_all_off', 'other services', 'values'],
];

/** All at a time, as many as vitest lets: most of a look is waiting. */
function expectFound(database: TestDatabase, faults: readonly Fault[]): void {
  it.concurrent.for(faults)(
    'one that %s',
    { timeout },
    async ([, fault, breaks, keeps], { signal }) => {
      const checks = checkNames.filter(check => check === breaks || check === keeps);
      const verdicts = await look(database, double(fault, 30_000), signal, checks);
      const failed = verdicts.filter(({ outcome }) => outcome === 'fail');
      expect(
        failed.map(({ check }) => check),
        JSON.stringify(failed),
      ).toEqual([breaks]);
    },
  );
}

describe('A service that breaks the contract is found:', () => {
  describeOnEngine('side by side', database => {
    it.concurrent('and one that breaks nothing is not', { timeout }, async ({ signal }) => {
      expectAll(await look(database, double('none', 60_000), signal));
    });

    expectFound(database, own);

    it.concurrent('one that never comes', { timeout }, async ({ signal }) => {
      const command = 'exec sleep 600';
      const nobody = { service: 'nobody', command, role: 'foresight_service', patienceMs: 5_000 };
      const verdicts = await look(database, nobody, signal, ['values']);
      expect(verdicts.map(({ outcome }) => outcome)).toEqual(['fail', 'not tried']);
    });
  });

  describeOnEngine('alone', database => expectFound(database, others));
});
