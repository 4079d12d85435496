import type { Sql } from '../../db/runtime/database.ts';

export interface AlertEvent {
  readonly event_id: string;
  readonly rule_id: number;
  readonly event: 'fired' | 'taken back' | 'over' | 'test';
  /** Of the bucket, such as `10:05`. */
  readonly minute: string | null;
  readonly from_state: string | null;
  readonly to_state: string | null;
  readonly refers_to: string | null;
  readonly held_back: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Has the rules look at everything that changed. */
export async function detect(sql: Sql): Promise<void> {
  for (;;) {
    const [row] = await sql<[{ looked: number }]>`select alert.detect() as looked`;
    if (row.looked === 0) return;
  }
}

/** The events of a rule, in the order in which they were noted. */
export async function eventsOf(sql: Sql, ruleId: number): Promise<AlertEvent[]> {
  return [
    ...(await sql<AlertEvent[]>`
      select event_id, rule_id, event, to_char(bucket, 'HH24:MI') as minute, from_state, to_state,
        refers_to, held_back, body
      from alert.events where rule_id = ${ruleId} order by created_at`),
  ];
}

/** Each event in a few words, such as `10:05 fired bearish > bullish`. */
export async function toldOf(sql: Sql, ruleId: number): Promise<string[]> {
  return (await eventsOf(sql, ruleId)).map(
    ({ minute, event, from_state, to_state, held_back }) =>
      `${minute} ${event} ${from_state} > ${to_state}${held_back === null ? '' : ` (${held_back})`}`,
  );
}
