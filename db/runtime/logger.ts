import { destination, type Logger, pino } from 'pino';

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
    ...(stack === undefined ? {} : { stack: hideCredentials(stack) }),
  };
}

/** Replaces the user and password of every URL in a text. */
export function hideCredentials(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^@\s/]+@/gi, '$1***@');
}
