import { readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * The only reader of the environment. `.env.example` lists every variable with its meaning.
 *
 * A variable that is set to an empty text counts as absent, as docker compose passes them.
 */
const text = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(value => (value === '' ? undefined : value), schema);

/** On a terminal a control character could show something else than was said, and no setting needs one. */
const line = z
  .string()
  .max(2_000, 'must have at most 2000 characters')
  .regex(/^\P{Cc}*$/u, 'must be one line, without control characters');

/** It goes into a header of a request, and what is said of one that does not fit there would tell it. */
const token = line.regex(/^[!-~]*$/, 'must be letters, digits and signs of ASCII, without spaces');

const port = (fallback: number) =>
  z.preprocess(
    value => (value === '' || value === undefined ? String(fallback) : value),
    z
      .string()
      .regex(/^\d{1,5}$/, 'must be a port number from 1 to 65535')
      .transform(Number)
      .refine(value => value >= 1 && value <= 65_535, 'must be a port number from 1 to 65535'),
  );

const url = (...protocols: string[]) =>
  line
    .refine(
      value => URL.canParse(value) && protocols.includes(new URL(value).protocol),
      `must be a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`,
    )
    .refine(isDecodable, 'must be a URL in which %25 stands for each % that is meant as such');

/** Whether who connects can read the user, the password and the path: a lone % ends in an error. */
function isDecodable(value: string): boolean {
  if (!URL.canParse(value)) return true;
  const { username, password, pathname } = new URL(value);
  try {
    // A zero byte ends a text of PostgreSQL's protocol.
    return ![username, password, pathname]
      .map(part => decodeURIComponent(part))
      .join('')
      .includes('\0');
  } catch {
    return false;
  }
}

const schema = z.object({
  DATABASE_URL: text(url('postgres:', 'postgresql:').optional()),
  DATABASE_OWNER_URL: text(url('postgres:', 'postgresql:').optional()),
  INGEST_PASSWORD: text(line.optional()),
  UPKEEP_PASSWORD: text(line.optional()),
  PUBLISH_PASSWORD: text(line.optional()),
  INDICATORS_PASSWORD: text(line.optional()),
  WEB_PASSWORD: text(line.optional()),
  AWS_REGION: text(
    line.regex(/^[a-z0-9-]{1,63}$/, 'must look like us-east-1').default('us-east-1'),
  ),
  AWS_ENDPOINT_URL_SQS: text(url('http:', 'https:').optional()),
  HOST: text(
    line
      .regex(/^[a-z0-9.:%_-]{1,253}$/i, 'must be an address or a name of this machine')
      .default('127.0.0.1'),
  ),
  PORT: port(8080),
  PAGE_ACCESS: text(
    z
      .enum(['local', 'proxy', 'open'], { error: 'must be one of local, proxy, open' })
      .default('local'),
  ),
  PAGE_HOSTS: text(
    line
      .regex(
        /^[a-z0-9.-]{1,253}(\s*,\s*[a-z0-9.-]{1,253})*$/i,
        'must be host names with commas between, without ports',
      )
      .optional(),
  ),
  WEBHOOK_HOSTS: text(
    line
      .regex(
        /^[a-z0-9.:-]{1,253}(\s*,\s*[a-z0-9.:-]{1,253})*$/i,
        'must be host names or addresses with commas between, without ports',
      )
      .optional(),
  ),
  POLLED_HOSTS: text(
    line
      .regex(
        /^[a-z0-9.:-]{1,253}(\s*,\s*[a-z0-9.:-]{1,253})*$/i,
        'must be host names or addresses with commas between, without ports',
      )
      .optional(),
  ),
  LOG_LEVEL: text(
    z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
        error: 'must be one of trace, debug, info, warn, error, silent',
      })
      .default('info'),
  ),
  FORESIGHT_DATA_DIR: text(line.default('.foresight')),
  OANDA_API_TOKEN: text(token.optional()),
  OANDA_ACCOUNT_ID: text(
    z
      .string()
      .regex(/^\d{1,4}-\d{1,4}-\d{1,12}-\d{1,4}$/, 'must look like 101-004-1234567-001')
      .optional(),
  ),
  OANDA_ENVIRONMENT: text(
    z.enum(['practice', 'live'], { error: 'must be practice or live' }).default('practice'),
  ),
  OANDA_MODE: text(
    z.enum(['stream', 'poll'], { error: 'must be stream or poll' }).default('stream'),
  ),
  OANDA_STREAM_URL: text(url('http:', 'https:').optional()),
  OANDA_API_URL: text(url('http:', 'https:').optional()),
  BINANCE_STREAM_URL: text(url('ws:', 'wss:').optional()),
  BINANCE_API_URL: text(url('http:', 'https:').optional()),
  BYBIT_STREAM_URL: text(url('ws:', 'wss:').optional()),
  BYBIT_API_URL: text(url('http:', 'https:').optional()),
  COINBASE_STREAM_URL: text(url('ws:', 'wss:').optional()),
  COINBASE_API_URL: text(url('http:', 'https:').optional()),
  KRAKEN_STREAM_URL: text(url('ws:', 'wss:').optional()),
  KRAKEN_API_URL: text(url('http:', 'https:').optional()),
});

/** By process: its role logs in with it. */
export type Passwords = Readonly<
  Record<'ingest' | 'upkeep' | 'publish' | 'indicators' | 'web', string | undefined>
>;

/** Every setting of every process; an optional one is absent when its variable is. */
export interface Config {
  /** Absent: the embedded database of `npm start`. */
  readonly databaseUrl: string | undefined;
  /** For what only the owner may do; the same as `databaseUrl` where it is not set. */
  readonly databaseOwnerUrl: string | undefined;
  /** Of the roles that are to log in as themselves. */
  readonly passwords: Passwords;
  readonly awsRegion: string;
  /** Absent: the SDK's own choice, which is Amazon's endpoint of the region. */
  readonly sqsEndpoint: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly page: {
    /**
     * Who may reach the page, which has no login: this machine alone, a proxy that asks for one and tells by
     * X-Forwarded-For who it was, or everybody.
     */
    readonly access: 'local' | 'proxy' | 'open';
    /** Names that the page answers to, beside addresses and localhost. */
    readonly hosts: readonly string[];
  };
  /** Names and addresses that webhooks of alerts may go to although they are private. */
  readonly webhookHosts: readonly string[];
  readonly polled: {
    /** The same of polled sources. */
    readonly hosts: readonly string[];
    /** What their headers may carry, by the name of the variable. */
    readonly tokens: Readonly<Record<string, string>>;
  };
  readonly logLevel: string;
  /** Where embedded mode keeps its database and its queue. */
  readonly dataDir: string;
  readonly oanda: {
    readonly token: string | undefined;
    readonly accountId: string | undefined;
    readonly environment: 'practice' | 'live';
    readonly mode: 'stream' | 'poll';
    /** Overrides of OANDA's hosts, for a fake server or a proxy. */
    readonly streamUrl: string | undefined;
    readonly apiUrl: string | undefined;
  };
  /** Overrides of the exchanges' hosts, likewise. */
  readonly binance: Hosts;
  readonly bybit: Hosts;
  readonly coinbase: Hosts;
  readonly kraken: Hosts;
}

interface Hosts {
  readonly streamUrl: string | undefined;
  readonly apiUrl: string | undefined;
}

/** Wrong configuration. The message names each variable and what it must be, never its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * The configuration of this process: its environment, and for what that leaves out a file `.env` in
 * the working directory.
 * @param overrides Variables that a command line sets.
 * @throws {ConfigError} one line per fault, all faults at once.
 */
export function loadConfig(overrides: Readonly<Record<string, string>> = {}): Config {
  loadFile('.env');
  return readConfig({ ...process.env, ...overrides });
}

/** @throws {ConfigError} when there is such a file and it cannot be read: Node says then that there is none. */
function loadFile(path: string): void {
  try {
    readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    throw new ConfigError(`the file ${path} cannot be read (${code}): mend it, or take it away`);
  }
  process.loadEnvFile(path);
}

/**
 * Validates the environment as a whole.
 * @throws {ConfigError} one line per fault, all faults at once.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const tokens = tokensIn(env);
  const read = schema.safeParse(env);
  const result = z.record(z.string(), token).safeParse(tokens);
  if (!read.success || !result.success) {
    const issues = [...(read.error?.issues ?? []), ...(result.error?.issues ?? [])];
    // Of each variable the first fault.
    const faults = new Map(
      issues.toReversed().map(({ path, message }) => [path.join('.'), message]),
    );
    const told = [...faults].toReversed().map(([name, message]) => `${name} ${message}`);
    throw new ConfigError(`wrong configuration: ${told.join('; ')}`);
  }
  return configOf(read.data, result.data);
}

function configOf(read: z.infer<typeof schema>, tokens: Readonly<Record<string, string>>): Config {
  return {
    databaseUrl: read.DATABASE_URL,
    databaseOwnerUrl: read.DATABASE_OWNER_URL ?? read.DATABASE_URL,
    passwords: {
      ingest: read.INGEST_PASSWORD,
      upkeep: read.UPKEEP_PASSWORD,
      publish: read.PUBLISH_PASSWORD,
      indicators: read.INDICATORS_PASSWORD,
      web: read.WEB_PASSWORD,
    },
    awsRegion: read.AWS_REGION,
    sqsEndpoint: read.AWS_ENDPOINT_URL_SQS,
    host: read.HOST,
    port: read.PORT,
    page: {
      access: read.PAGE_ACCESS,
      hosts: namesIn(read.PAGE_HOSTS),
    },
    webhookHosts: namesIn(read.WEBHOOK_HOSTS),
    polled: { hosts: namesIn(read.POLLED_HOSTS), tokens },
    logLevel: read.LOG_LEVEL,
    dataDir: read.FORESIGHT_DATA_DIR,
    oanda: {
      token: read.OANDA_API_TOKEN,
      accountId: read.OANDA_ACCOUNT_ID,
      environment: read.OANDA_ENVIRONMENT,
      mode: read.OANDA_MODE,
      streamUrl: read.OANDA_STREAM_URL,
      apiUrl: read.OANDA_API_URL,
    },
    binance: { streamUrl: read.BINANCE_STREAM_URL, apiUrl: read.BINANCE_API_URL },
    bybit: { streamUrl: read.BYBIT_STREAM_URL, apiUrl: read.BYBIT_API_URL },
    coinbase: { streamUrl: read.COINBASE_STREAM_URL, apiUrl: read.COINBASE_API_URL },
    kraken: { streamUrl: read.KRAKEN_STREAM_URL, apiUrl: read.KRAKEN_API_URL },
  };
}

/** Of each polled source its operator names one: those that are none have another beginning. */
function tokensIn(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const all = Object.entries(env).filter(
    (each): each is [string, string] =>
      /^POLLED_TOKEN_[A-Z0-9_]{1,50}$/.test(each[0]) && each[1] !== undefined && each[1] !== '',
  );
  return Object.fromEntries(all);
}

const namesIn = (list = ''): string[] =>
  list
    .split(',')
    .map(name => name.trim().toLowerCase())
    .filter(name => name !== '');

/** What must never be told, wherever it turns up: a variable that holds a secret, or says who one is, belongs here. */
export function secretsIn({ oanda, polled, passwords }: Config): string[] {
  const all = [oanda.token?.trim(), oanda.accountId, ...Object.values(passwords)];
  const told = all.filter(secret => secret !== undefined && secret !== '') as string[];
  return [...told, ...Object.values(polled.tokens)];
}

/** The database a process must have: `start:*` processes never fall back to the embedded one. */
export function requireDatabaseUrl(config: Config): string {
  return required(config.databaseUrl, 'DATABASE_URL');
}

/** The same for what only the owner may do. */
export function requireOwnerUrl(config: Config): string {
  return required(config.databaseOwnerUrl, 'DATABASE_OWNER_URL or DATABASE_URL');
}

function required(url: string | undefined, name: string): string {
  if (url !== undefined) return url;
  throw new ConfigError(
    `wrong configuration: ${name} must be set (npm start alone brings its own database)`,
  );
}

/**
 * The page has no login: on an address that others reach it opens only when that was meant.
 * @throws {ConfigError}
 */
export function requireSafePage({ host, page }: Config): void {
  if (page.access !== 'local' || /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)) return;
  throw new ConfigError(
    `wrong configuration: HOST ${host} opens the page to the network, and it has no login: set HOST to 127.0.0.1, ` +
      'or PAGE_ACCESS to proxy (one in front asks for a login) or open (whoever reaches it sees everything)',
  );
}
