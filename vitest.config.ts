import { defineConfig } from 'vitest/config';

/**
 * `unit` needs no database of the suite's. `*.engine.test.ts` runs twice, once on each engine; the
 * TimescaleDB run needs TEST_TIMESCALE_URL or a local PostgreSQL that has the extension.
 * `*.engines.test.ts` compares the two.
 */
const engine = (name: 'postgres' | 'timescaledb' | 'engines') => ({
  test: {
    name,
    include: [name === 'engines' ? '**/*.engines.test.ts' : '**/*.engine.test.ts'],
    globalSetup: [`tests/support/${name}.ts`],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

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
      engine('engines'),
    ],
  },
});
