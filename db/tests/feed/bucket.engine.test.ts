import { expect, it } from 'vitest';
import { describeOnEngine } from '../../../tests/support/database.ts';

describeOnEngine('feed.bucket', ({ sql }) => {
  it.each([
    ['1 second', '2026-03-02 10:17:23.999999Z', '2026-03-02 10:17:23Z'],
    ['15 minutes', '2026-03-02 10:17:23Z', '2026-03-02 10:15:00Z'],
    ['4 hours', '2026-03-02 10:17:23Z', '2026-03-02 08:00:00Z'],
    ['1 day', '1970-01-01 00:00:00.000001Z', '1970-01-01 00:00:00Z'],
    ['1 day', '2026-03-29 01:30:00+02', '2026-03-28 00:00:00Z'],
    ['1 hour', '2026-03-02 10:00:00Z', '2026-03-02 10:00:00Z'],
    ['1 hour', '-infinity', '-infinity'],
    ['1 hour', 'infinity', 'infinity'],
    ['1 hour', null, null],
  ])('of %s at %s is %s', async (width, time, bucket) => {
    const [row] = await sql<{ is_same: boolean }[]>`
      select feed.bucket(${width}::text::interval, ${time}::text::timestamptz)
        is not distinct from ${bucket}::text::timestamptz as is_same`;
    expect(row?.is_same).toBe(true);
  });

  it('is known when a statement is planned', async () => {
    const plan = await sql`explain (costs off, verbose)
      select c.revision from outbox.changes as c
      where c.minute = feed.bucket('1 hour', '2026-03-02 10:17Z')`;
    const text = plan.map(line => Object.values(line)[0]).join('\n');
    expect(text).toMatch(/minute = '2026-03-02 10:00:00\+00'/);
    expect(text).not.toMatch(/bucket|date_bin/);
  });
});
