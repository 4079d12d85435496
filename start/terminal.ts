import { join } from 'node:path';
import { pino } from 'pino';
import { hideCredentials, type Logger, oneLine } from '../db/runtime/logger.ts';
import { makeLogFolder, openLog, textToShow } from './supervisor.ts';

const REPEAT_MS = 30_000;

/** The last line of a terminal is rewritten in place; elsewhere a line per minute is enough. */
export function createTerminal() {
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined);
  let status = '';
  let printed = 0;
  const isRepeated = rememberLines();
  const clear = () => {
    if (stdout.isTTY && status !== '') stdout.write('\r\x1b[2K');
  };
  const draw = () => {
    if (stdout.isTTY) stdout.write(status.slice(0, (stdout.columns || 80) - 1));
  };
  const around = (write: () => void) => {
    clear();
    write();
    draw();
  };
  return {
    print: (text: string) => around(() => stdout.write(`${text}\n`)),
    /** What comes again and again, as while a database is away, is told once in a while. */
    warn: (text: string) => {
      if (!isRepeated(text)) around(() => stderr.write(`${oneLine(text)}\n`));
    },
    status: (text: string) => {
      if (stdout.isTTY && text === status) return;
      clear();
      status = text;
      draw();
      if (stdout.isTTY || text === '' || Date.now() - printed < 60_000) return;
      printed = Date.now();
      stdout.write(`${text}\n`);
    },
  };
}

/** Whether a line was there already in the last half minute; its numbers do not make it new. */
function rememberLines() {
  const seen = new Map<string, number>();
  return (text: string): boolean => {
    const key = text.replace(/\d+/g, '#');
    const now = Date.now();
    const isRepeated = now - (seen.get(key) ?? 0) < REPEAT_MS;
    if (!isRepeated) seen.set(key, now);
    if (seen.size > 200) seen.clear();
    return isRepeated;
  };
}

export type Terminal = ReturnType<typeof createTerminal>;

/** Our own log goes to a file like everyone's; the terminal gets its warnings as plain text. */
export function createOwnLogger(logDir: string, level: string, terminal: Terminal): Logger {
  makeLogFolder(logDir);
  const log = openLog(join(logDir, 'start.log'), () => undefined);
  const write = (line: string) => {
    const safe = hideCredentials(line.trimEnd());
    log.write(safe);
    const text = textToShow(safe);
    if (text !== undefined) terminal.warn(text);
  };
  const options = {
    level,
    base: { process: 'start' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, { write });
}
