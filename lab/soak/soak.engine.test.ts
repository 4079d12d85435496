import { describe, expect, inject, it } from 'vitest';
import { describe as inWords } from './report.ts';
import { soak } from './run.ts';

describe('Half a minute of random faults', () => {
  it('leaves exactly what a ledger of the ticks says', { timeout: 600_000 }, async context => {
    const report = await soak({
      engine: inject('engine').engine,
      seed: 1,
      minutes: 0.4,
      twins: false,
      signal: context.signal,
      say: () => undefined,
    });
    if (report === undefined) return context.skip('the engine is not here');
    expect(report.differences, inWords(report)).toEqual([]);
    expect(report.kills).toBeGreaterThan(0);
    expect(Object.keys(report.hostile['HTTP requests'] ?? {})).toContain('200');
    expect(report.hostile['SQL calls']?.refused).toBeGreaterThan(0);
    expect(report.compared.ticks).toBeGreaterThan(500);
    expect(report.compared.values).toBeGreaterThan(100);
  });
});
