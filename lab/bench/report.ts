import { judge } from './aims.ts';
import type { EngineResult, Figure } from './figures.ts';

export interface Report {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly command: string;
  readonly isQuick: boolean;
  /** False while parts are left, and for good when it was interrupted. */
  readonly isWhole: boolean;
  readonly machine: Readonly<Record<string, string>>;
  readonly results: readonly EngineResult[];
}

const latencyNote =
  'From when a tick was due (not when it was sent) to when it, or a newer one of its instrument, was there. A tick that never was counts with the time until the waiting was given up, so at an overload the figures are lower bounds; "ticks covered" says how many were. Message: a subscriber in a process of its own has the candle (1m, mid) in hand. Value: computed_at of the first indicator value seen that covers the tick; the newest are read at every notification, and one that was overwritten before it was read counts with the next, against us. computed_at is before the commit, "seen" after it. Indicators read the newest candles when they compute, so a value can be ahead of the message. Stored: received_at, before the commit. 20 instruments, 200 indicators, a subscription beside those of the services. The functions, by pg_stat_user_functions, show where the time goes. CPU of PostgreSQL: this database\'s connections, without the server\'s own processes; memory: the most that was resident until then.';

/** What the figures of a part mean, under its title. */
const notes: Readonly<Record<string, string>> = {
  ingest:
    'Ticks a second. Every call is one durable commit; ticks are new, in the past four hours, 20 instruments in turn; one connection, or two with ten instruments each. Bare: the same columns and key, no checks, no triggers. One-row inserts: `insert into feed.ticks ... on conflict do nothing`, prepared, one a commit, with key, dedupe and change tracking. Medians of rounds in which every way has its turn.',
  files:
    'Lines a second of files of one instrument, new and in the past, as npm run replay stores them: read in this process, stored over one connection. Plain: a quarter of a million lines, in turns with a COPY of the same ticks into feed.ticks. Bad: of each layout one file, of whose lines so many are to be refused; every count has to be what the writer of the file says. Memory, of the longest: the most that was in use beside what was before.',
  storage:
    'Ticks of one closed day, quotes only (no last, no size). Two ticks a second and instrument; candles have all four sides, so one of a second costs for each tick half of what is shown.',
  publish:
    "20 instruments, 200 ticks/s, one subscription at a time, counted by an HTTP proxy before the emulator, which reads the bodies too. Sent again, unchanged: a candle whose content, but for its revision, is the one sent last to that queue. A window: the last 100 candles of each instrument's series, sent whole each minute or each second, in messages as full as allowed. History: a new subscription with from_time a quarter of an hour ago. Backlog: a quarter of an hour of ticks that came in, an hour late, while a subscription was paused; from its resumption until all was sent.",
  late: 'Ticks a day old, of instruments that have ticks there, in batches of 1,000. Right and published: no change and no delivery is left, and every candle that was sent, in every timeframe, equals what the stored ticks say.',
  windows:
    'Changed candles of one second that lie all over a history, 144 candles before and after each: of 12 hours with a candle each second, and of 3 days with one each 37 seconds. At once: one call of indicator.candle_windows; one by one: a call of indicator.candle_window for each. Medians of five.',
  idle: 'A minute without ticks, with ingest (connected and silent), upkeep, publish, the services of indicators, web without pages, 200 indicators, a subscription beside those of the services. Statements are counted on the wire, between each process and PostgreSQL. WAL is of the whole server.',
  services:
    'At 1,000 ticks/s, 20 instruments, 200 moving-average crosses of service classical: how long until they are computed, as in the parts above, beside nothing else; beside every kind of the catalog in three timeframes, those beyond the first 400 at their pace of a second; and while a history of two hours of 1-second candles is computed for a hundred indicators more, of service models, and of service classical itself. Histories left: none says that it was over too soon.',
  kinds:
    'In one thread, with default parameters, by what computes live and historic values, from made-up candles in memory: half a million values each, of which ten years of minutes (5,259,600) are reckoned. Candles are neither read nor values stored.',
  models:
    'Medians, in one thread, of windows of made-up prices that end one after the other. A value of ARIMA takes a fit of each order to the window and to its first half; one of logistic regression eleven fits, ten of them to a part of the window.',
  history:
    'At 1,000 ticks/s: two hours of ticks and candles (one tick each two seconds and instrument), and a hundred times of it, or as much as could be filled in five minutes. Values of the history are computed for three minutes at most; then the database is vacuumed, with a checkpoint. Years: before two hours like these, ten years with a tick a day of each instrument, its candles in all timeframes, and a value a week of each indicator and that it was said: few rows, in as many chunks as a real history has, and compressed as that is.',
  start:
    'The command of `npm start` in an empty data folder, with a day of made-up prices, right after what `npm ci` does at its end; seconds until its page, looked at ten times a second, shows what is named. Medians of five.',
  '100 ticks/s': latencyNote,
};

const digest = (report: Report): string[] => [
  ...Object.entries(report.machine).map(([name, value]) => `${name}: ${value}`),
  ...report.results.map(
    ({ engine, settings, load }) =>
      `${engine}: ${Object.entries(settings)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}; load average ${load.map(value => value.toFixed(1)).join(' to ')}`,
  ),
  `begun: ${report.startedAt}, with: ${report.command}`,
  'Everything (database, queue, workers, load, measuring) shares the machine.',
];

/** The aims, then a row per figure, a column per engine. */
function tables({ results }: Report) {
  const engines = results.map(result => result.engine);
  const verdicts = results.map(judge);
  const aims = (verdicts[0] ?? []).map(({ what, unit, aim }, index) => [
    what,
    unit,
    aim,
    ...verdicts.map(own => {
      const { value, isReached } = own[index] ?? {};
      if (value === undefined) return '-';
      if (isReached === undefined) return '?';
      return `${formatNumber(value)} ${isReached ? 'met' : 'MISSED'}`;
    }),
  ]);
  const isMeasured = (row: readonly string[]): boolean => row.slice(3).some(cell => cell !== '-');
  const keyOf = (figure: Figure): string => `${figure.part}\t${figure.name}\t${figure.unit}`;
  const keys = [...new Set(results.flatMap(result => result.figures.map(keyOf)))];
  const rows = keys.map(key => {
    const [part = '', name = '', unit = ''] = key.split('\t');
    const values = results.map(({ figures }) => {
      const found = figures.find(figure => keyOf(figure) === key);
      return found === undefined ? '-' : formatNumber(found.value);
    });
    return { part, cells: [name, unit, ...values] };
  });
  const failures = results.flatMap(result =>
    result.failures.map(({ part, reason }) => `${result.engine}: ${part} failed: ${reason}`),
  );
  return {
    engines,
    aims: aims.filter(isMeasured),
    parts: Map.groupBy(rows, row => row.part),
    failures,
  };
}

/** For the terminal. */
export function formatText(report: Report): string {
  const { engines, aims, parts, failures } = tables(report);
  const lines = [...failures, ...align([['aim', 'unit', 'wanted', ...engines], ...aims], 3)];
  for (const [part, rows] of parts) {
    lines.push('', ...align([[part, 'unit', ...engines], ...rows.map(row => row.cells)], 2));
    const note = notes[part];
    if (note !== undefined) lines.push(...wrap(note, 110));
  }
  const quick = report.isQuick ? ['', '--quick: to see that it works, not for figures'] : [];
  return [...lines, '', ...digest(report), ...quick].join('\n');
}

/** For a file that people read in a browser. */
export function formatMarkdown(report: Report): string {
  const { engines, aims, parts, failures } = tables(report);
  const lines = [
    '# Benchmark',
    '',
    `Written by \`${report.command}\`; what it measures is in \`lab/bench/\`.`,
    ...(report.isQuick ? ['', '**A quick run: to see that it works, not for figures.**'] : []),
    ...failures.flatMap(failure => ['', `**${failure}**`]),
    '',
    ...digest(report).map(line => `- ${line}`),
    '',
    '## Aims',
    '',
    ...grid(['what', 'unit', 'aim', ...engines], aims, 3),
    '',
    'What was tried, and why some are missed: [performance.md](performance.md). Not measured here: the page.',
  ];
  for (const [part, rows] of parts) {
    const note = notes[part];
    lines.push('', `## ${part.slice(0, 1).toUpperCase()}${part.slice(1)}`, '');
    if (note !== undefined) lines.push(...wrap(note, 110), '');
    const cells = rows.map(row => row.cells);
    lines.push(...grid(['what', 'unit', ...engines], cells, 2));
  }
  return `${lines.join('\n')}\n`;
}

function grid(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: number,
): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = header.map((_, column) => (column < textColumns ? '---' : '---:'));
  return [line(header), line(rule), ...rows.map(line)];
}

function align(rows: readonly (readonly string[])[], textColumns: number): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map(row => row[column]?.length ?? 0)),
  );
  const lines = rows.map(row =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < textColumns ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
  const rule = widths.map(width => '-'.repeat(width)).join('  ');
  return [lines[0] ?? '', rule, ...lines.slice(1)];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return '?';
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
