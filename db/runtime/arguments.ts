import { Command, InvalidArgumentError } from 'commander';
import { oneLine } from './logger.ts';
import { exitForConfig } from './process.ts';

/**
 * The command line of a script of package.json, for its `main.ts` to add options to and to parse. It answers
 * `--help`, and refuses what it does not know with one line on standard error and exit code 78.
 *
 * @example
 * const { speed } = command('replay', 'Store the ticks of a file.')
 *   .option('--speed <factor>', 'how fast', readNumber({ min: 0.1, max: 1_000 }), 1)
 *   .parse()
 *   .opts<{ speed: number }>();
 */
export function command(script: string, description: string): Command {
  return new Command(script === 'start' ? 'npm start --' : `npm run ${script} --`)
    .description(description)
    .configureOutput({
      outputError: (text, write) =>
        write(
          `foresight ${script}: ${oneLine(text.replace('error: ', '').replaceAll(/\s+/g, ' '))}\n`,
        ),
    })
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitForConfig));
}

/** Reads an option's number, and refuses any other text; the bounds belong to what is allowed. */
export function readNumber({
  min,
  max,
  isWhole = false,
}: {
  readonly min: number;
  readonly max: number;
  readonly isWhole?: boolean;
}): (text: string) => number {
  return text => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= min && value <= max && (!isWhole || Number.isSafeInteger(value))) return value;
    throw new InvalidArgumentError(
      `It must be a ${isWhole ? 'whole number' : 'number'} from ${min} to ${max}.`,
    );
  };
}

/** Reads the name of a file; what may be there is looked at when it is opened. */
export function readFileName(text: string): string {
  if (/^\P{Cc}*\S\P{Cc}*$/u.test(text) && !text.endsWith('/')) return text;
  throw new InvalidArgumentError('It must be the name of a file.');
}
