import { services } from '../../catalog.ts';
import type { Kind, Output, Parameter, Params, Sum } from '../../kind.ts';
import { differenceOf, families, type Golden, goldenOf, longest, windowOf } from './golden.ts';

/** docs/indicators.md: all that the kinds declare, and how far they are from their golden vectors. */
export function describeCatalog(): string {
  const all = [...families.values()].flat();
  const parts = [...families].map(([family, kinds]) => describeFamily(family, kinds));
  return `${[
    '# Indicators',
    '',
    'Written by `npm run docs:indicators` from the catalogue (`workers/indicators/catalog/`), and compared by a test.',
    '',
    ...wrap(
      `${all.length} kinds. Each is a pure function of the last candles of one series, as many as its window has; with fewer, but at least as many as it needs, its value is settling. A verdict is bullish, bearish or neutral, with a strength from 0 to 1. \`indicator.add\` takes the parameters as JSON; one that is left out is its default, which stands in parentheses.`,
    ),
    '',
    ...wrap(
      'Difference: the largest one between an output and what another implementation gives of the same window of made-up prices, as a part of it, over all golden vectors of the kind (`workers/indicators/catalog/golden/`); at most 1e-9 is allowed. Who made them is told with each family.',
    ),
    '',
    ...table([
      ['kind', 'family', 'what it is', 'difference'],
      ...parts.flatMap(({ rows }) => rows),
    ]),
    ...parts.flatMap(({ lines }) => lines),
  ].join('\n')}\n`;
}

function describeFamily(family: string, kinds: readonly Kind[]) {
  const golden = goldenOf(family);
  return {
    rows: kinds.map(({ kind, description }) => {
      const [what = ''] = description.split(/[:,;.] /);
      return [`[\`${kind}\`](#${kind})`, family, what, differenceOfKind(kind, golden)];
    }),
    lines: [
      '',
      `## ${capital(family)}`,
      '',
      ...wrap(`Golden vectors: ${golden.made_by}.`),
      ...kinds.flatMap(kind => describeKind(kind, golden)),
    ],
  };
}

function describeKind(kind: Kind, golden: Golden): string[] {
  const defaults: Params = Object.fromEntries(
    kind.parameters.map(parameter => [parameter.name, parameter.default]),
  );
  const { least, window } = kind.bars;
  const service = services.find(({ kinds }) => kinds.includes(kind))?.service ?? '';
  const count = golden.cases.filter(each => each.kind === kind.kind).length;
  const items = [
    `Verdict: ${kind.rule}`,
    `Parameters: ${kind.parameters.map(describeParameter).join('; ') || 'none'}.`,
    `Candles: at least ${describeSums(least)}, window ${describeSums(window)}; by default ${longest(least, defaults)} and ${windowOf(kind, defaults)}. It reads ${kind.columns.map(quote).join(', ')}${kind.isClosedOnly ? ', of closed candles only' : ''}.`,
    `Outputs: ${kind.outputs.map(describeOutput).join('; ')}.`,
    `Definition: ${kind.definition}.`,
    `Service: ${quote(service)}. Difference: ${differenceOfKind(kind.kind, golden)} in ${count} vectors.`,
  ];
  return [
    '',
    `### ${kind.kind}`,
    '',
    ...wrap(`${kind.description}.`),
    '',
    ...items.flatMap(item => wrap(`- ${item}`, '  ')),
  ];
}

function differenceOfKind(kind: string, { cases }: Golden): string {
  const largest = Math.max(...cases.filter(each => each.kind === kind).map(differenceOf));
  return largest === 0 ? 'none' : largest.toExponential(1);
}

function describeParameter(parameter: Parameter): string {
  const name = quote(parameter.name);
  if (parameter.type === 'choice') {
    return `${name} one of ${parameter.choices.map(quote).join(', ')} (${quote(parameter.default)})`;
  }
  const { type, min, max, less_than } = parameter;
  const what = type === 'integer' ? 'a whole number' : 'a number';
  const order = less_than === undefined ? '' : `, less than ${quote(less_than)}`;
  return `${name} ${what} from ${min} to ${max}${order} (${parameter.default})`;
}

function describeOutput({ name, unit, pane, thresholds = [] }: Output): string {
  const where = pane === 'price' ? 'over the price' : 'on a scale of its own';
  const lines = thresholds.length === 0 ? '' : `, thresholds ${thresholds.join(' and ')}`;
  return `${quote(name)} (${unit}, ${where}${lines})`;
}

function describeSums(sums: readonly Sum[]): string {
  const texts = sums.map(sum =>
    Object.entries(sum)
      .map(([name, times]) => {
        if (name === 'plus') return `${times}`;
        return times === 1 ? quote(name) : `${times} ${quote(name)}`;
      })
      .join(' + ')
      .replaceAll('+ -', '- '),
  );
  return texts.length === 1 ? texts.join() : `the largest of ${texts.join(', ')}`;
}

const quote = (word: string): string => `\`${word}\``;
const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

/** The last column holds numbers. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map(row => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const [header = '', ...others] = rows.map(row =>
    line(
      widths.map((width, column) => {
        const cell = row[column] ?? '';
        return column === widths.length - 1 ? cell.padStart(width) : cell.padEnd(width);
      }),
    ),
  );
  const rule = widths.map((width, column) =>
    column === widths.length - 1 ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  return [header, line(rule), ...others];
}

/** Lines of at most 120 characters. */
function wrap(text: string, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 120) {
      lines.push(line);
      line = indent + word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
