import type { EngineResult } from './figures.ts';

/** One thing that the design wants to reach, and the figure that says whether it does. */
interface Aim {
  readonly what: string;
  readonly part: string;
  readonly name: string;
  readonly unit: string;
  /** As people read it; the bound itself is reached too. */
  readonly aim: string;
  readonly isReached: (value: number) => boolean;
  /** Absent: an aim of both engines. */
  readonly engine?: string;
}

const atMost = (bound: number) => (value: number) => value <= bound;
const below = (bound: number) => (value: number) => value < bound;
const atLeast = (bound: number) => (value: number) => value >= bound;

const requests = (what: string): Aim => ({
  what: `SQS requests: ${what}`,
  part: 'publish',
  name: `${what}: send requests`,
  unit: '/1,000 deltas',
  aim: 'at most 5',
  isReached: atMost(5),
});

const unchanged = (what: string): Aim => ({
  what: `sent again though unchanged: ${what}`,
  part: 'publish',
  name: `${what}: sent again, unchanged`,
  unit: 'deltas',
  aim: 'none',
  isReached: atMost(0),
});

const subscriptions = [
  'all, forming at once',
  'all, forming each second',
  'all, closed only',
  '1m mid, forming at once',
  '1m mid, forming each second',
  'history of all mid candles',
  'backlog of all mid candles',
];

const aims: readonly Aim[] = [
  {
    what: 'durable ingest beside a bare COPY',
    part: 'ingest',
    name: 'ingest worker, full batches',
    unit: 'of bare COPY',
    aim: 'at least 0.5',
    isReached: atLeast(0.5),
    engine: 'timescaledb',
  },
  {
    what: 'durable ingest beside one-row inserts',
    part: 'ingest',
    name: 'ingest worker, full batches',
    unit: 'times one-row inserts',
    aim: 'at least 30',
    isReached: atLeast(30),
    engine: 'timescaledb',
  },
  ...['quotes without ids', 'trades with ids'].map(
    (name): Aim => ({
      what: `a plain file read: ${name}`,
      part: 'files',
      name,
      unit: 'lines/s',
      aim: 'at least 100,000',
      isReached: atLeast(100_000),
    }),
  ),
  {
    what: 'tick -> indicator at 1,000 ticks/s, median',
    part: '1,000 ticks/s',
    name: 'due -> value, median',
    unit: 'ms',
    aim: 'under 100',
    isReached: below(100),
  },
  {
    what: 'tick -> indicator at 1,000 ticks/s, 99th percentile',
    part: '1,000 ticks/s',
    name: 'due -> value, 99th percentile',
    unit: 'ms',
    aim: 'under 300',
    isReached: below(300),
  },
  ...['median', '99th percentile'].map(
    (what): Aim => ({
      what: `the same with a long history, ${what}`,
      part: 'history',
      name: `due -> value, ${what}`,
      unit: 'long / short',
      aim: 'at most 1.2',
      isReached: atMost(1.2),
    }),
  ),
  ...['median', '99th percentile'].map(
    (what): Aim => ({
      what: `the same with ten years of history, ${what}`,
      part: 'history',
      name: `due -> value, ${what}`,
      unit: 'years / short',
      aim: 'at most 1.1',
      isReached: atMost(1.1),
    }),
  ),
  ...[
    { what: 'median', bound: 100 },
    { what: '99th percentile', bound: 250 },
  ].map(
    ({ what, bound }): Aim => ({
      what: `the same beside every kind in three timeframes, ${what}`,
      part: 'services',
      name: `every kind in three timeframes: due -> value, ${what}`,
      unit: 'ms',
      aim: `under ${bound}`,
      isReached: below(bound),
    }),
  ),
  {
    what: 'kinds that take more than 10 s for ten years of minutes',
    part: 'kinds',
    name: 'kinds that take more than 10 s for ten years of minutes',
    unit: 'kinds',
    aim: 'none',
    isReached: atMost(0),
  },
  ...subscriptions.map(requests),
  ...subscriptions.map(unchanged),
  {
    what: 'idle: statements that are no heartbeats',
    part: 'idle',
    name: 'statements that are no heartbeats',
    unit: 'statements/minute',
    aim: 'none',
    isReached: atMost(0),
  },
  {
    what: 'idle: messages',
    part: 'idle',
    name: 'messages',
    unit: 'messages/minute',
    aim: 'none',
    isReached: atMost(0),
  },
  {
    what: 'npm start in an empty folder -> filled live page',
    part: 'start',
    name: 'every verdict',
    unit: 's',
    aim: 'at most 6',
    isReached: atMost(6),
    engine: 'postgres',
  },
];

export interface Verdict {
  readonly what: string;
  readonly unit: string;
  readonly aim: string;
  /** Undefined: not an aim of this engine, or not measured. */
  readonly value: number | undefined;
  readonly isReached: boolean | undefined;
}

/** Each aim beside what an engine has reached. */
export function judge({ engine, figures }: EngineResult): Verdict[] {
  return aims.map(({ what, part, name, unit, aim, isReached, engine: only }) => {
    const isMeant = only === undefined || only === engine;
    const value = isMeant
      ? figures.find(each => each.part === part && each.name === name && each.unit === unit)?.value
      : undefined;
    const isKnown = value !== undefined && !Number.isNaN(value);
    return { what, unit, aim, value, isReached: isKnown ? isReached(value) : undefined };
  });
}
