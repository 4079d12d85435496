import fc from 'fast-check';
import {
  argumentsOf,
  type Command,
  endingOf,
  faultOfEnding,
  hostileValues,
  readers,
  variables,
  wrong,
} from '../../tests/support/hostile_settings.ts';
import type { Door } from './trials.ts';

/** Programs that are started beside those that run, with a variable or an option that is wrong. */
export function doorOfSettings(folder: string): Door<Command> {
  const variable = fc
    .constantFrom(...variables)
    .chain(name => fc.record({ [name]: fc.constantFrom(...(wrong[name] ?? [])) }))
    .map(env => ({ env, args: [] as string[] }));
  const option = fc
    .tuple(fc.constantFrom('--no-such-option', '--', '-x', '--history'), fc.nat(), values())
    .map(([name, number, value]) => ({ env: {}, args: [`${name}${number}=${value}`] }));
  const inputs = fc
    .tuple(fc.constantFrom(...readers), fc.oneof(variable, option))
    .map(([program, { env, args }]) => ({
      program,
      args: [...argumentsOf(program), ...args],
      env,
    }));
  return {
    name: 'settings',
    draw(seed) {
      const [input] = fc.sample(inputs, { seed, numRuns: 1 });
      if (input === undefined) throw new Error('no input');
      return input;
    },
    async attempt(input) {
      const ending = await endingOf(input, folder);
      const kind = String(ending.code);
      const fault = faultOfEnding(ending);
      // Who is busy takes its time.
      if (ending.code === 'SIGTERM') return { kind, suspicion: 'does not end' };
      return fault === '' ? { kind } : { kind, fault };
    },
    write: ({ program, args, env }) => `${program} ${JSON.stringify({ args, env })}`,
  };
}

const values = () => fc.constantFrom(...hostileValues);
