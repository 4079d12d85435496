import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../db/runtime/config.ts';
import { oneLine } from '../db/runtime/logger.ts';
import {
  argumentsOf,
  type Ending,
  endingOf,
  faultOfEnding,
  hostileValues,
  readers,
  variables,
  wrong,
} from './support/hostile_settings.ts';

const root = join(import.meta.dirname, '..');
const seed = 20_261_128;

const folder = mkdtempSync(join(tmpdir(), 'foresight-settings-'));
const end = (program: string, args: readonly string[], env: Record<string, string>) =>
  endingOf({ program, args, env }, folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Within the two lanes that a machine of tests has. */
async function inTwoLanes<Item>(items: readonly Item[], each: (item: Item) => Promise<void>) {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await each(next);
  };
  await Promise.all([lane(), lane()]);
}

function expectOneLine(ending: Ending, said: string): void {
  expect(faultOfEnding(ending), said).toBe('');
}

describe('A variable', () => {
  it('of .env.example that a program reads is in this test', () => {
    const listed = [...readFileSync(join(root, '.env.example'), 'utf8').matchAll(/^([A-Z_]+)=/gm)];
    // The others are read by docker compose and by the SDK of AWS.
    const others = ['POSTGRES_PASSWORD', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
    const names = listed.map(([, name = '']) => name).filter(name => !others.includes(name));
    expect(names.sort()).toEqual([...variables].sort());
  });

  it('that is wrong is named, all of them at once, and none of their values is told', () => {
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        expect(faultOf({ [name]: value }), JSON.stringify(value)).toMatch(
          new RegExp(`^wrong configuration: ${name} must [^;\\n]+$`),
        );
      }
    }
    const all = Object.fromEntries(variables.map(name => [name, wrong[name]?.[0] ?? '']));
    for (const name of variables) expect(faultOf(all)).toContain(`${name} must `);
  });

  it('may be anything, and then it is refused by name or fit for use', async ({ annotate }) => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: 'grapheme', minLength: 1_000, maxLength: 4_000 }),
      fc.constantFrom('', ' ', '0', 'null', '\0', '../..', '$(id)', '`id`', 'a'.repeat(100_000)),
      fc.webUrl({ validSchemes: ['postgres', 'http', 'https', 'file'], withQueryParameters: true }),
      fc.tuple(fc.string(), fc.string()).map(([user, path]) => `postgres://${user}:x@h/${path}`),
      fc.constantFrom(...Object.values(wrong).flat()),
    );
    let inputs = 0;
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...variables), text, { minKeys: 1 }), env => {
        inputs += Object.keys(env).length;
        const fault = faultOf(env);
        for (const [name, value] of Object.entries(env)) {
          if (value.length > 12) expect(fault).not.toContain(value);
          if (fault !== '' || value === '') continue;
          expect(value, name).toMatch(/^\P{Cc}{1,2000}$/u);
        }
        if (fault !== '') {
          expect(fault).toMatch(/^wrong configuration: (([A-Z_]+) must [^;\n]+(; )?)+$/);
          const named = [...fault.matchAll(/\b([A-Z_]{4,}) must/g)].map(([, name = '']) => name);
          expect(named.filter(name => env[name] === undefined)).toEqual([]);
          return;
        }
        const { databaseUrl } = readConfig(env);
        if (databaseUrl !== undefined) decodeURIComponent(new URL(databaseUrl).pathname);
      }),
      { numRuns: 1_000, seed },
    );
    await annotate(`${inputs} hostile values of variables`);
  });

  it('that is wrong ends each program with one line and code 78', {
    timeout: 240_000,
  }, async () => {
    const programs = readers;
    const tried = variables.flatMap((name, place) =>
      // Each variable once, and each program with some of them.
      (wrong[name] ?? []).slice(0, 1).map((value, turn) => ({
        name,
        value,
        program: programs[(place + turn) % programs.length] ?? '',
      })),
    );
    await inTwoLanes(tried, async ({ name, value, program }) => {
      const args = argumentsOf(program);
      const answer = await end(program, args, { [name]: value });
      expectOneLine(answer, `${program} ${name}`);
      expect(answer.stderr).toContain(`wrong configuration: ${name} must `);
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('An option', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const programs = Object.entries(scripts)
    .filter(([, line]) => line.startsWith('node '))
    .map(([script, line]) => ({ script, program: line.split(' ').at(-1) ?? '' }));

  it('of each command may be anything: one line, code 78, no escape', { timeout: 240_000 }, async ({
    annotate,
  }) => {
    const tried: { script: string; program: string; args: string[] }[] = [];
    await inTwoLanes(programs, async ({ script, program }) => {
      const { stdout } = await end(program, ['--help'], {});
      const options = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+) <\w+>/gm)].map(
        ([, name = '']) => name,
      );
      const own = script === 'replay' ? ['no.csv', '--symbol=X'] : [];
      // Were it taken, the command would begin: it is followed by one that nobody knows.
      for (const option of options) {
        for (const value of fc.sample(fc.constantFrom(...hostileValues), {
          numRuns: 2,
          seed: seed + tried.length,
        })) {
          tried.push({ script, program, args: [...own, `${option}=${value}`, '--no-such-option'] });
        }
      }
    });
    expect(tried.length).toBeGreaterThan(8);
    await inTwoLanes(tried, async ({ script, program, args }) => {
      expectOneLine(
        await end(program, args, {}),
        `${script} ${JSON.stringify(args).slice(0, 200)}`,
      );
    });
    await annotate(`${tried.length} hostile options`);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('A line that is shown', () => {
  it('has no control character, no password and an end', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5_000 }), text => {
        const line = oneLine(`a ${text} postgres://user:sekret@host/x`);
        expect(line).not.toMatch(/\p{Cc}|sekret@/u);
        expect(line.length).toBeLessThan(2_010);
      }),
      { numRuns: 300, seed },
    );
    const began = Date.now();
    oneLine('a.'.repeat(1_000_000));
    oneLine(`a://${'x'.repeat(1_000_000)}`);
    expect(Date.now() - began).toBeLessThan(1_000);
  });
});

function faultOf(env: Record<string, string>): string {
  try {
    readConfig(env);
    return '';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}
