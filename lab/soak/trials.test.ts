import { expect, it } from 'vitest';
import { createRandom } from '../../tests/support/random.ts';
import { waitFor } from '../../tests/support/wait.ts';
import { type Door, type Outcome, startTrials } from './trials.ts';

/** A door whose inputs are the seeds, and what it was given. */
function doorOf(attempt: (input: number, isAtRest: boolean) => Outcome) {
  const given: number[] = [];
  let isAtRest = false;
  const door: Door<number> = {
    name: 'door',
    draw: seed => seed,
    attempt: async input => {
      given.push(input);
      return attempt(input, isAtRest);
    },
    write: input => `input of ${input}`,
  };
  const rest = () => {
    isAtRest = true;
  };
  return { door, given, rest };
}

async function run(attempt: (input: number, isAtRest: boolean) => Outcome, seed = 7) {
  const { door, given, rest } = doorOf(attempt);
  const trials = startTrials(door, createRandom(seed), [0, 1]);
  await waitFor('some were tried', () => given.length >= 20);
  await trials.stop();
  const tried = [...given];
  rest();
  return { tried, trials, faults: await trials.judge(), again: given.slice(tried.length) };
}

it('the same seed tries the same inputs, another one others, and all are counted', async () => {
  const fine = () => ({ kind: 'fine' });
  const { tried, trials, faults } = await run(fine);
  expect(faults).toEqual([]);
  expect(trials.outcomes).toEqual({ fine: tried.length });
  expect(new Set(tried).size).toBe(tried.length);
  expect((await run(fine)).tried.slice(0, 20)).toEqual(tried.slice(0, 20));
  expect((await run(fine, 8)).tried.slice(0, 20)).not.toEqual(tried.slice(0, 20));
});

it('what is wrong whatever else is broken is told at once, with what brings it again', async () => {
  const { tried, faults, again } = await run(() => ({ kind: 'bad', fault: 'it leaks' }));
  expect(faults).toHaveLength(tried.length);
  expect(faults[0]).toBe(`door, input ${tried[0]}: it leaks: input of ${tried[0]}`);
  expect(again).toEqual([]);
});

it('what looks wrong is told only when it is wrong at rest too', async () => {
  const suspicious = { kind: 'odd', suspicion: 'it fails' };
  const excused = await run((_, isAtRest) => (isAtRest ? { kind: 'fine' } : suspicious));
  expect(excused.faults).toEqual([]);
  expect(excused.again).toEqual(excused.tried.slice(0, 100));
  expect(excused.trials.outcomes).toEqual({ odd: excused.tried.length });

  const { tried, faults } = await run(() => suspicious);
  expect(faults[0]).toBe(`door, input ${tried[0]}: it fails, at rest too: input of ${tried[0]}`);
  expect(faults).toHaveLength(Math.min(100, tried.length));
});

it('a door that throws is a fault, and not silence', async () => {
  const { door } = doorOf(() => {
    throw new Error('broken');
  });
  const trials = startTrials(door, createRandom(1), [0, 1]);
  await waitFor('it is told', () => trials.faults.length > 0);
  await trials.stop();
  expect(await trials.judge()).toEqual(['door: could not go on: Error: broken']);
});
