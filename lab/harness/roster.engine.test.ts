import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import { registerKinds } from '../../tests/support/values.ts';
import { root } from './processes.ts';
import { createRoster } from './roster.ts';

describeOnEngine('The roster', ({ sql }) => {
  it('has exactly the roles whose absence ops.status tells', async () => {
    await registerKinds(sql);
    const rows = await sql<{ fault: string }[]>`
      select f.fault from ops.status as s, unnest(s.faults) as f(fault)
      where f.fault like '% is not running' order by 1`;
    const roles = createRoster().roles.map(({ fault }) => fault);
    expect(roles.toSorted()).toEqual(rows.map(({ fault }) => fault));
  });

  it.each([false, true])('has a process of ours for each role (twins: %s)', twins => {
    const { programs, roles } = createRoster({ twins });
    const names = programs.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { script } of programs) expect(existsSync(join(root, script)), script).toBe(true);
    for (const { name, holders } of roles) {
      expect(holders.length, name).toBe(twins ? 2 : 1);
      expect(names).toEqual(expect.arrayContaining([...holders]));
    }
  });
});
