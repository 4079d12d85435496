import { it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import { subjectOf } from './subjects.ts';
import { expectAll, look, timeout } from './tests/look.ts';

describeOnEngine('The service classical', database => {
  it('keeps the contract', { timeout }, async ({ signal }) => {
    const classical = subjectOf('classical');
    if (classical === undefined) throw new Error('it is no service');
    expectAll(await look(database, classical, signal));
  });
});
