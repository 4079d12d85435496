import { execFile } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** What is wrong for each variable, whatever else is true of the machine. */
export const wrong: Readonly<Record<string, readonly string[]>> = {
  DATABASE_URL: [
    'postgres',
    'mysql://h/d',
    'postgres://u:%zz@h/d',
    'postgres://u@h/%',
    'postgres://u:p/w@h/d',
  ],
  DATABASE_OWNER_URL: [
    'localhost:5432',
    'http://h',
    'postgres://%C3%28:x@h/d',
    'postgres://u@h/%00',
  ],
  INGEST_PASSWORD: ['sekret\nline'],
  UPKEEP_PASSWORD: ['sekret\u001b[2J'],
  PUBLISH_PASSWORD: ['sekret'.repeat(1_000)],
  INDICATORS_PASSWORD: ['\u007fsekret'],
  WEB_PASSWORD: ['sekret\t'],
  AWS_REGION: ['eu west', 'evil.example/', 'EU', 'a'.repeat(64)],
  AWS_ENDPOINT_URL_SQS: ['queue:9324', 'ftp://q', 'http://', 'http://u:%@q'],
  HOST: ['a b', 'http://h', '\u001b[2J', 'x'.repeat(254)],
  PORT: ['abc', '0', '-1', '65536', '1e3', '80.5', ' 80', '１'],
  PAGE_ACCESS: ['yes', 'LOCAL', 'open,proxy'],
  PAGE_HOSTS: ['https://h', 'a b', 'h:80', ',', `${'a,'.repeat(900)},`],
  WEBHOOK_HOSTS: ['https://h', 'a b', '[::1]', ',', `${'a,'.repeat(900)},`],
  POLLED_HOSTS: ['https://h', 'a b', '[::1]', ',', `${'a,'.repeat(900)},`],
  LOG_LEVEL: ['loud', 'INFO', '30'],
  FORESIGHT_DATA_DIR: ['a\nb', '\u001b[31m', 'x'.repeat(2_001)],
  OANDA_API_TOKEN: ['sekret token', 'sekret\r\nx: y', 'sekrét'],
  OANDA_ACCOUNT_ID: ['1', '101-004-1234567-001-1', '101-004-1234567-00a'],
  OANDA_ENVIRONMENT: ['Live', 'sandbox'],
  OANDA_MODE: ['Poll', 'both'],
  OANDA_STREAM_URL: ['stream', 'ws://x', 'https://u:%zz@x'],
  BINANCE_STREAM_URL: ['stream', 'ftp://x'],
  BINANCE_API_URL: ['api', 'https://u:%zz@x'],
  BYBIT_STREAM_URL: ['stream', 'ftp://x'],
  BYBIT_API_URL: ['api', 'https://u:%zz@x'],
  COINBASE_STREAM_URL: ['stream', 'ftp://x'],
  COINBASE_API_URL: ['api', 'https://u:%zz@x'],
  KRAKEN_STREAM_URL: ['stream', 'ftp://x'],
  KRAKEN_API_URL: ['api', 'https://u:%zz@x'],
  OANDA_API_URL: ['//x', 'file:///etc/passwd'],
};
export const variables = Object.keys(wrong);

/** The programs that read them. */
export const readers: readonly string[] = [
  'start/main.ts',
  'db/migrate.ts',
  'workers/ingest/main.ts',
  'workers/upkeep/main.ts',
  'workers/publish/main.ts',
  'workers/indicators/main.ts',
  'web/main.ts',
  'start/replay.main.ts',
];

/** Without which a program looks at nothing else. */
export const argumentsOf = (program: string): string[] =>
  program.includes('replay') ? ['no.csv', '--symbol', 'X'] : [];

/** Of an option. */
export const hostileValues = [
  ...['', ' ', '\u001b[2J', 'a\nb', '-1', '1e999', 'NaN', '0x10', '../../etc/passwd', '‮'],
  ...['postgres://u:sekret@h/d', 'x'.repeat(100_000)],
];

/** A program as it is started. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How a program ended. */
export interface Ending {
  /** Its exit code, or why there is none. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a program in a folder, with nothing in its environment but what is said, and waits for its end. */
export function endingOf({ program, args, env }: Command, folder: string): Promise<Ending> {
  return new Promise(resolve => {
    const options = { cwd: folder, env: { PATH: process.env.PATH, ...env }, timeout: 50_000 };
    // As the scripts of package.json do: read anew, the programs take three times as long to refuse.
    const file = [join(root, 'start/run.js'), join(root, program), ...args];
    execFile(process.execPath, file, options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? error?.signal ?? 0, stdout, stderr }),
    );
  });
}

/** What is wrong with the end of a program whose settings are wrong; empty: it said so in one line, and code 78. */
export function faultOfEnding({ code, stdout, stderr }: Ending): string {
  if (!/^foresight[ :]\P{Cc}{1,2100}\n$/u.test(stderr)) return `not one line: ${stderr}`;
  if (/sekr|\bat .*\.ts|node:internal/.test(stderr)) return `tells too much: ${stderr}`;
  if (stdout !== '') return `says more: ${stdout}`;
  return code === 78 ? '' : `ends with ${code}`;
}
