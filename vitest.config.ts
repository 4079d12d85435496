import { defineConfig } from 'vitest/config';

/**
 * `unit` needs no database of the suite's. `*.engine.test.ts` runs twice, once on each engine; the
 * TimescaleDB run needs TEST_TIMESCALE_URL or a local PostgreSQL that has the extension. Several URLs with commas
 * between are so many versions, each in a project of its own: `timescaledb`, `timescaledb-2` and so on.
 * `*.engines.test.ts` compares the two.
 */
const engine = (setup: 'postgres' | 'timescaledb' | 'engines', name: string = setup) => ({
  test: {
    name,
    include: [setup === 'engines' ? '**/*.engines.test.ts' : '**/*.engine.test.ts'],
    globalSetup: [`tests/support/${setup}.ts`],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

const furtherVersions = (process.env.TEST_TIMESCALE_URL ?? '').split(',').slice(1);

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './tests/support/reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: ['**/*.engine.test.ts', '**/*.engines.test.ts', '**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      engine('postgres'),
      engine('timescaledb'),
      ...furtherVersions.map((_, index) => engine('timescaledb', `timescaledb-${index + 2}`)),
      engine('engines'),
    ],
  },
});
