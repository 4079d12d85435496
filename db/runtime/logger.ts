import { destination, type Logger, pino } from 'pino';
import { isPassing } from './errors.ts';

export type { Logger } from 'pino';

/**
 * One JSON line per event on standard error, so that standard output stays free for a command's
 * answer. Secrets are removed by name, and a connection string by its shape.
 */
export function createLogger(process: string, level: string): Logger {
  return pino(
    {
      name: process,
      level,
      base: { process },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['token', 'password', 'url', 'databaseUrl', '*.token', '*.password', '*.url'],
      serializers: { err: describeError },
      formatters: { level: label => ({ level: label }) },
      hooks: { streamWrite: escapeUnprintable },
    },
    destination({ dest: 2, sync: true }),
  );
}

function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: hideCredentials(String(error)) };
  const { name, message, stack, code } = error as Error & { code?: unknown };
  return {
    name,
    message: hideCredentials(message),
    ...(code === undefined ? {} : { code }),
    ...(stack === undefined || isPassing(error) ? {} : { stack: hideCredentials(stack) }),
  };
}

/**
 * What a terminal would obey or not show as it is, the tab and the line end apart: control characters, marks
 * that turn the direction of text or have no width, other separators of lines, halves of a character.
 */
const UNPRINTABLE = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2060-\u206f]/gu;

/** Text from outside, so that it can be shown in a terminal and stored; as long as before. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\uFFFD');
}

/** The same log line, with escapes for them: JSON has no such characters but in its strings. */
export function escapeUnprintable(line: string): string {
  return line.replace(UNPRINTABLE, character =>
    [...Array(character.length).keys()]
      .map(at => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** Replaces the user and password of every URL in a text. */
export function hideCredentials(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^@\s/]+@/gi, '$1***@');
}

const longestLine = 2_000;

/** What an operator is shown: one line without credentials, without what a terminal obeys, and not without end. */
export function oneLine(text: string): string {
  // What is hidden must not be cut before it is.
  const whole = hideCredentials(text.slice(0, 2 * longestLine));
  const shown = printable(whole.replaceAll(/[\t\n\r]+/g, ' ').trim());
  return shown.length > longestLine ? `${shown.slice(0, longestLine)} ...` : shown;
}
