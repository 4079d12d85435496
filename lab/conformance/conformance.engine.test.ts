import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import {
  exampleScript,
  findPythonOrWarn,
  plainPython,
  startOfExample,
} from '../../tests/support/python.ts';
import { checkNames, conform, type Verdict } from './checks.ts';
import { nodeLine, subjectOf } from './subjects.ts';
import { openWorld, type Subject, type World } from './world.ts';

type Candidate = Pick<Subject, 'service' | 'command' | 'role'> & { readonly patienceMs?: number };

const python = findPythonOrWarn();
const double = (fault: string, patienceMs = 60_000): Candidate => ({
  service: 'double',
  command: nodeLine('lab/conformance/tests/double.main.ts', fault),
  role: 'foresight_service',
  patienceMs,
});

function knownSubject(service: string): Candidate {
  const subject = subjectOf(service);
  if (subject === undefined) throw new Error(`there is no service ${service}`);
  return subject;
}

/**
 * Each on a database of its own: what one leaves is nothing to another. Several candidates share it, and are looked
 * at all at once.
 *
 * @param checks Only these parts of the contract.
 */
function describeConformance(
  name: string,
  candidates: readonly Candidate[],
  checks: readonly string[],
  expectation: (verdicts: readonly Verdict[]) => void,
): void {
  describeOnEngine(name, database => {
    const worlds: World[] = [];
    afterEach(async () => {
      for (const world of worlds) await world.close();
    });

    it('is looked at', { timeout: 900_000 }, async ({ signal }) => {
      for (const candidate of candidates) {
        worlds.push(await openWorld(database, { patienceMs: 60_000, ...candidate, signal }));
      }
      const looks = worlds.map(async world => {
        const verdicts: Verdict[] = [];
        const isRight = await conform(world, verdict => verdicts.push(verdict), checks);
        return { verdicts, isRight };
      });
      for (const { verdicts, isRight } of await Promise.all(looks)) {
        expect(verdicts.map(({ check }) => check)).toEqual(['registration', ...checks]);
        expect(isRight).toBe(verdicts.every(({ outcome }) => outcome === 'pass'));
        // Of what failed the author is told what the contract asks for.
        const ruled = verdicts.filter(({ rule }) => rule !== undefined);
        expect(ruled).toEqual(verdicts.filter(({ outcome }) => outcome === 'fail'));
        expectation(verdicts);
      }
    });
  });
}

const failed = (verdicts: readonly Verdict[]): string[] =>
  verdicts.filter(({ outcome }) => outcome === 'fail').map(({ check }) => check);

function expectAll(verdicts: readonly Verdict[]): void {
  expect(verdicts.filter(({ outcome }) => outcome !== 'pass')).toEqual([]);
}

describe('A service keeps the contract:', () => {
  describeConformance('classical', [knownSubject('classical')], checkNames, expectAll);
  describeConformance('one of the simplest', [double('none')], checkNames, expectAll);
});

describe.skipIf(python === undefined)('The Python example keeps the contract:', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresight-conformance-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The same program under another name. */
  function renamed(service: string): Candidate {
    const script = join(folder, `${service}.py`);
    const text = readFileSync(exampleScript, 'utf8')
      .replace(/^SERVICE = .*$/m, `SERVICE = "${service}"`)
      .replace(/^KIND = .*$/m, `KIND = "${service}_line"`);
    writeFileSync(script, text);
    const command = startOfExample(python ?? plainPython, script);
    return { service, command, role: 'foresight_service' };
  }

  describeConformance(
    'beside another of its kind, which does too',
    [knownSubject('python_example'), renamed('python_other')],
    checkNames,
    expectAll,
  );
});

describe('A service that breaks the contract is found:', () => {
  const inHand = { message: 'restart with a message in hand', work: 'restart with work in hand' };
  /** What it breaks, beside something that it keeps. */
  const faults: readonly (readonly [name: string, fault: string, breaks: string, keeps: string])[] =
    [
      ['strikes work off without values', 'strikes_off', 'values', 'history'],
      ['stores revisions of its own', 'invents_revisions', 'values', 'history'],
      ['keeps nothing of what it said', 'says_nothing', 'sayings', 'values'],
      ['counts on messages that come once', 'keeps_candles', 'redelivery', 'values'],
      ['believes whatever message comes last', 'trusts_messages', 'reordering', 'values'],
      ['forgets the windows after a candle', 'forgets_followers', 'late ticks', 'values'],
      ['deletes messages first', 'deletes_first', inHand.message, inHand.work],
      ['strikes work off first', 'finishes_first', inHand.work, inHand.message],
      ['keeps something from value to value', 'remembers', 'recomputation', 'values'],
      ['does not name its process', 'beats_as_one', 'two processes', 'values'],
      ['waits for its queue for ever', 'waits_for_queue', 'queue outage', 'values'],
      ['dies of what is no message', 'dies_of_poison', 'poison', 'values'],
      ['strikes off what others have to do', 'strikes_all_off', 'other services', 'values'],
    ];
  for (const [name, fault, breaks, keeps] of faults) {
    const checks = checkNames.filter(check => check === breaks || check === keeps);
    describeConformance(`one that ${name}`, [double(fault, 30_000)], checks, verdicts => {
      expect(failed(verdicts)).toEqual([breaks]);
    });
  }

  const nobody = { service: 'nobody', command: 'exec sleep 600', role: 'foresight_service' };
  describeConformance(
    'one that never comes',
    [{ ...nobody, patienceMs: 5_000 }],
    ['values'],
    verdicts => {
      expect(verdicts.map(({ outcome }) => outcome)).toEqual(['fail', 'not tried']);
    },
  );
});
