import { describe, expect, it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import { schemas } from '../../tests/support/schemas.ts';

const roles = {
  i: 'foresight_ingest',
  u: 'foresight_upkeep',
  p: 'foresight_publish',
  c: 'foresight_indicators',
  s: 'foresight_service',
  x: 'foresight_sandbox',
  h: 'foresight_push',
  w: 'foresight_web',
} as const;

/** No process of ours: a service of another's lives by `indicator.beat`, who pushes ticks by them, and in the sandbox only functions run. */
const beats: readonly string[] = Object.values(roles).filter(
  role => !/service|sandbox|push/.test(role),
);

/** Who may: ingest, upkeep, publish, indicators (c for computation), services of others, what runs in the sandbox (x), who pushes ticks (h), web. The arguments are harmless ones. */
const rights: readonly (readonly [statement: string, who: string])[] = [
  ['select from feed.ticks limit 0', ''],
  ['insert into feed.ticks (instrument_id, observed_at, bid) select 1, now(), 1 where false', ''],
  ['delete from feed.ticks where false', ''],
  ['truncate feed.ticks', ''],
  ['select from feed.instruments limit 0', ''],
  ['update feed.instruments set is_active = false where false', ''],
  ['select from feed.rejected_ticks limit 0', ''],
  ['select from feed.rejections limit 0', ''],
  ['select from feed.candles_1m limit 0', ''],
  ['select from outbox.changes limit 0', ''],
  ['delete from outbox.changes where false', ''],
  ['select from outbox.candles limit 0', ''],
  ['select from outbox.deliveries limit 0', ''],
  ['select from outbox.subscriptions limit 0', ''],
  ["select nextval('outbox.revision')", ''],
  ['select from indicator.values limit 0', ''],
  ['select from indicator.definitions limit 0', ''],
  ['select from indicator.verdicts limit 0', ''],
  ['delete from indicator.verdicts where false', ''],
  ['select from indicator.latest limit 0', ''],
  ['select from indicator.unscored limit 0', ''],
  ['select from track.blocks limit 0', ''],
  ['select from track.scores limit 0', ''],
  ['select track.score()', 'u'],
  ['select track.recount(0)', ''],
  ['select from track.record()', ''],
  ['select from track.record_of(0)', ''],
  ['select dashboard.track_record(0)', 'w'],
  ['select from ops.processes limit 0', ''],
  // With all columns: what is not asked for is not executed, nor are the rights for it looked at.
  ['select * from ops.status', 'pw'],
  ['select * from ops.lag', 'pw'],
  ['select * from ops.queues', 'pw'],
  ['select * from ops.gaps', 'pw'],
  ['select * from ops.dead_letters', 'pw'],
  ['select * from ops.services', 'pw'],
  ['select ops.all_faults()', 'pw'],
  ['select from ops.faults', ''],
  ['select from feed.faults', ''],
  ['select from feed.notes', ''],
  ["select feed.record_ticks('manual', '{}', '{}', '{}', '{}', '{}', '{}', '{}')", 'i'],
  ["select feed.push_ticks('manual', '[]')", 'h'],
  ["select feed.allows_negative('RIGHTS')", 'i'],
  ["select feed.read_pushed_tick('{}')", ''],
  [
    `select feed.reconstruct_ticks('manual', 'ABSENT', now(), now(), '5 s', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')`,
    'i',
  ],
  ["select feed.reject_ticks('manual', '{}', '{}', '{}', '{}')", 'i'],
  ["select feed.add_instrument('RIGHTS', 'manual')", 'i'],
  ["select feed.polled_source('nobody')", 'i'],
  ["select feed.record_trial('nobody', true, '')", 'i'],
  ["select feed.add_polled_source('rights', 'http://h', '1 s', 'received', bid_path => '/b')", ''],
  ['select from feed.polled_sources limit 0', ''],
  ["select feed.set_active('nobody', true)", 'i'],
  ["select feed.stored_until('{}')", 'i'],
  ["select feed.record_source_state('manual', 'connected')", 'i'],
  ["select feed.leave_alone('nobody', '1 s')", 'i'],
  ["select feed.alone_for('nobody')", 'i'],
  ["select feed.extend_coverage('manual', '{}', '{}', '{}')", 'i'],
  ["select feed.open_gaps('manual', '{}', '{}', '{}', '{}')", 'i'],
  ["select feed.open_gap(0, now(), now(), '')", ''],
  ["select feed.claim_gap('nobody')", 'i'],
  ['select feed.release_gap(0)', 'i'],
  ["select feed.give_up_gap(0, '')", 'i'],
  ["select feed.weaker_grade('exact', 'heard')", ''],
  ["select feed.register_source('rights', true)", 'i'],
  ['select feed.hide_simulated()', 'i'],
  ["select feed.followed('nobody')", 'i'],
  ["select feed.show_instruments('nobody')", 'i'],
  ["select feed.show_digits('nobody', 1)", 'i'],
  ["select feed.is_open('fx')", 'p'],
  ["select feed.openings('fx', now(), now())", 'p'],
  ['select from feed.calendars limit 0', ''],
  ['update feed.closures set reason = reason where false', ''],
  ['select from feed.rejection_reasons', 'i'],
  ['select from feed.coverage limit 0', ''],
  ['select from feed.gaps limit 0', ''],
  ['update feed.gaps set closed_at = now() where false', ''],
  ["select feed.candles('RIGHTS', '1m')", 'ipc'],
  ["select feed.fx_days('RIGHTS')", 'ipc'],
  ["select feed.filled_candles('RIGHTS', '1m', 'mid', now())", 'ipc'],
  ["select feed.add_timeframe('nothing')", ''],
  ["select feed.remove_timeframe('nothing')", ''],
  ["select feed.record_replay('nothing', 'RIGHTS', 'x', 0, true)", 'i'],
  ["select feed.replayed_until('nothing', 'RIGHTS')", 'i'],
  ['select feed.create_missing_candles()', ''],
  ["call feed.refresh_candles('2026-01-01', '2026-01-01')", ''],
  ["call feed.refresh_ranges('{}')", ''],
  ['call feed.advance_candles()', ''],
  ['select feed.next_storing_at()', ''],
  ['call ops.apply_storage()', ''],
  ['select feed.retention_floor()', ''],
  ['select feed.refresh_horizon()', 'p'],
  ['update feed.storage set retain_for = null where false', ''],
  ['call outbox.refresh_late()', ''],
  ['select outbox.nudge()', 'ih'],
  ['select outbox.nudge_publish()', 'up'],
  ['select outbox.nudge_upkeep()', 'u'],
  ['select outbox.is_refresh_due()', ''],
  ['select outbox.capture_deltas()', 'p'],
  ['select outbox.close_candles()', 'p'],
  ['select outbox.claim_deliveries(0)', 'p'],
  ["select outbox.mark_sent('{}', '{}', '{}', '{}', '{}', '{}', '{}')", 'p'],
  ["select outbox.mark_failed(0, '')", 'p'],
  ["select outbox.bury('{}', '{}', '{}', '{}', '{}', '{}', '')", 'p'],
  ["select outbox.republish('nobody')", 'p'],
  ['select outbox.purge()', 'u'],
  ['select feed.purge()', 'u'],
  ['select indicator.purge()', 'u'],
  ['select indicator.find_missed()', 'u'],
  ['select from indicator.missed limit 0', ''],
  ['select outbox.next_work_at()', 'p'],
  ['select outbox.queues()', 'p'],
  ["select outbox.queue_deliveries('{}')", ''],
  ["select outbox.subscribe('stolen', 'elsewhere')", ''],
  ["select outbox.unsubscribe('nobody')", ''],
  ["select outbox.pause('nobody')", ''],
  ["select outbox.resume('nobody')", ''],
  ['select outbox.continue_backfills()', 'p'],
  ['select outbox.may_backfill(null)', ''],
  ["select indicator.register_service('nobody')", 'cs'],
  ["select indicator.remove_service('nobody')", ''],
  ["select indicator.checked_service('nobody')", ''],
  ["select indicator.subscription_of('nobody')", ''],
  ["select indicator.newest_values('{}')", ''],
  ['select feed.engine_version()', 'p'],
  ["select feed.first_received_at(0, 'bid', now(), now(), now())", 'p'],
  ["select indicator.register_kind('nobody', 'x', '', '', '', '', '[]', '{}', '[]', '[]')", 'cs'],
  ["select indicator.define_sql_kind('x', 'mine.x', '', '', '[]', '[]')", ''],
  ["select indicator.remove_sql_kind('x')", ''],
  ["select indicator.sql_kind_functions('{}')", 'c'],
  [
    "select indicator.evaluate('mine.x', '', '{}', 1, '{}', 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    'cx',
  ],
  ["select indicator.end_evaluations('1 hour')", 'c'],
  ['select from indicator.sql_kinds limit 0', ''],
  ["select indicator.accept_candles('nobody', '{}', '{}', '{}', '{}', '{}')", 'cs'],
  ["select indicator.set_aside('nobody', '{}', '{}', '{}')", 'cs'],
  ["select indicator.fail_pending('{}', '')", 'cs'],
  ["select indicator.redrive('nobody')", ''],
  ['select from indicator.dead_letters limit 0', ''],
  ["select indicator.claim_pending('nobody')", 'cs'],
  ["select indicator.draw_values('nobody')", 'cs'],
  [
    "select indicator.compare_values('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '')",
    'cs',
  ],
  ['select from indicator.differences limit 0', ''],
  ['select indicator.absences(null)', ''],
  ["select indicator.lease_pending('{}')", 'cs'],
  ["select indicator.candle_windows('{}', '{}', '{}', '{}', '{}', '{}', '{}')", 'cs'],
  ["select indicator.candles_since('{}', '{}', '{}', '{}', '{}', true)", 'cs'],
  ["select indicator.finish_pending('{}')", 'cs'],
  ["select indicator.claim_backfill('nobody')", 'cs'],
  ['select indicator.finish_backfill(0, now())', 'cs'],
  [
    "select indicator.record_values('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    'cs',
  ],
  ["select indicator.next_work_at('nobody')", 'cs'],
  ["select indicator.nudge('nobody')", 'c'],
  ["select indicator.beat('{}')", 'cs'],
  ["select indicator.add('RIGHTS', '1m', 'x')", ''],
  ['select indicator.remove(0)', ''],
  ["select indicator.remove('RIGHTS', '1m', 'x')", ''],
  ["select indicator.add_set('RIGHTS', '1m', 'rating')", ''],
  ["select indicator.remove_set('RIGHTS', '1m', 'rating')", ''],
  ['select indicator.settle_sides()', ''],
  ['select from indicator.wishes limit 0', ''],
  ['delete from indicator.sets where false', ''],
  ['update rating.votes set weight = 1 where false', ''],
  ['select from rating.latest limit 0', ''],
  ['select from rating.newest()', ''],
  ["select from rating.votes_of('RIGHTS', '1m')", ''],
  ["select from rating.history('RIGHTS', '1m')", ''],
  ["select from rating.summary('RIGHTS')", ''],
  ["select dashboard.rating('RIGHTS', '1m')", 'w'],
  ["select indicator.candle_window(1, '1m', 'bid', now(), now(), 0, 0)", 'cs'],
  ['select dashboard.watchlist()', 'w'],
  ['select dashboard.trends()', 'w'],
  ["select dashboard.instrument('RIGHTS')", 'w'],
  ['select dashboard.indicator(0)', 'w'],
  ['select dashboard.chart(0)', 'w'],
  ["select dashboard.candles('RIGHTS', '1m')", 'w'],
  ["select dashboard.ticks('RIGHTS', now(), now())", 'w'],
  ['select dashboard.status()', 'w'],
  ['select dashboard.status_line()', 'w'],
  ["select ops.beat('test')", 'iupcw'],
  ["select ops.newer_migration('{}')", 'iupcw'],
  ["select ops.say_goodbye('test', '', 0)", 'iupcw'],
  ['select ops.reap_workers()', 'u'],
  ["select ops.republish('nobody')", ''],
  ['select ops.recompute(0)', ''],
  ['select indicator.recompute(0)', ''],
  ['select ops.redrive()', ''],
  ['call ops.reconcile(now(), now())', ''],
  ['select from ops.reconciliations limit 0', ''],
  ["select ops.note_maintenance('test')", 'u'],
  ['select ops.is_maintenance_due()', 'u'],
  ['select ops.begin_maintenance()', 'u'],
  ['select ops.end_maintenance(0)', 'u'],
  ['select ops.next_upkeep_at()', 'u'],
  ['select ops.drawn_revisions()', ''],
  ['select ops.discard_dead_letters()', ''],
  ['select from alert.rules limit 0', ''],
  ['select from alert.secrets limit 0', ''],
  ['select from alert.events limit 0', ''],
  ['select from alert.deliveries limit 0', ''],
  ['update alert.settings set is_single = true where false', ''],
  ['select from alert.rule_list limit 0', ''],
  ['select from alert.delivery_log limit 0', ''],
  ['select from alert.faults', ''],
  ["select alert.add('RIGHTS', 'fault', queue => 'rights')", ''],
  ['select alert.remove(0)', ''],
  ['select alert.pause(0)', ''],
  ['select alert.resume(0)', ''],
  ['select alert.test(0)', ''],
  ['select alert.retry(0)', ''],
  ['select alert.secret(0)', ''],
  ['select alert.renew_secret(0)', ''],
  ["select alert.compare_faults('{}')", ''],
  ['select alert.are_faults_due()', ''],
  ['select alert.detect(0)', 'p'],
  ['select ops.see_faults()', 'p'],
  ['select alert.claim_deliveries(0)', 'p'],
  ['select alert.mark_delivered(0)', 'p'],
  ["select alert.mark_failed(0, '')", 'p'],
  ['select alert.next_work_at()', 'p'],
  ['select alert.is_watching()', 'p'],
  ['select alert.nudge()', 'p'],
  ['select alert.purge()', 'u'],
  ["select indicator.mark_changes('{}', '{}')", ''],
  ['select from indicator.marks limit 0', ''],
  ['insert into indicator.watched select from indicator.watched where false', ''],
  ['create table feed.mine ()', ''],
  ['create schema mine', ''],
  ['select from graphile_worker._private_jobs limit 0', 'upc'],
];

describeOnEngine('Rights', ({ as, sql }) => {
  for (const [letter, role] of Object.entries(roles)) {
    describe(`of ${role}`, () => {
      const session = as(role);

      if (beats.includes(role)) {
        it('is to beat and to say goodbye as the process that it is, and as no other', async () => {
          for (const other of beats) {
            const process = other.replace('foresight_', '');
            const beat = session`select ops.beat(${process}, 'rights', 1) is not null as is_alive`;
            const goodbye = () => session`select ops.say_goodbye(${process}, 'rights', 1)`;
            if (other === role) {
              expect([...(await beat)]).toEqual([{ is_alive: true }]);
              await goodbye();
              continue;
            }
            await sql`select ops.beat(${process}, 'rights', 1)`;
            const refused = {
              code: 'SPEAK',
              message: `${role} does not speak for a process '${process}'`,
            };
            await expect(beat).rejects.toMatchObject(refused);
            await expect(goodbye()).rejects.toMatchObject(refused);
            expect(await sql`select ops.say_goodbye(${process}, 'rights', 1)`).toHaveLength(1);
          }
          expect(await sql`select from ops.processes where host = 'rights'`).toHaveLength(0);
        });
      }

      for (const [statement, who] of rights) {
        const may = who.includes(letter);
        it(`${may ? 'allow' : 'refuse'}: ${statement}`, async () => {
          expect(await isRefused(session.unsafe(statement))).toBe(!may);
        });
      }
    });
  }

  it('of the processes are each complete: every function is the owner’s or some role’s', async () => {
    const rows = await sql<{ name: string }[]>`
      select distinct n.nspname || '.' || p.proname as name
      from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace,
        aclexplode(p.proacl) as a join pg_roles as r on r.oid = a.grantee
      where n.nspname = any (${schemas}) and r.rolname like 'foresight\\_%'`;
    const tested = rights.map(([statement]) => statement);
    const untested = rows
      .map(row => row.name)
      .filter(name => !tested.some(each => each.includes(`${name}(`)));
    expect(untested.sort()).toEqual(['feed.instrument_id', 'feed.timeframe_width']);
  });
});

/** Whether rights are what a statement fails for; any other error means that it was let in. */
async function isRefused(query: Promise<unknown>): Promise<boolean> {
  try {
    await query;
    return false;
  } catch (error) {
    return (error as { code?: string }).code === '42501';
  }
}
