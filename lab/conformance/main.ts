import { InvalidArgumentError, Option } from 'commander';
import { command, readNumber } from '../../db/runtime/arguments.ts';
import { openDatabase } from '../../db/runtime/database.ts';
import { exitForConfig } from '../../db/runtime/process.ts';
import { createDatabase, type Engine, labLogger, startServer } from '../harness/server.ts';
import { checkNames, conform, type Verdict } from './conform.ts';
import { known, subjectOf } from './subjects.ts';
import { openWorld, type Subject } from './world.ts';

const options = command(
  'conformance',
  'Tells whether a service of indicators keeps the contract, on a database and a queue of its own.',
)
  .requiredOption('--service <name>', 'what it registers as', checkedService)
  .option(
    '--command <line>',
    `how a shell starts it here; DATABASE_URL and AWS_ENDPOINT_URL_SQS are its addresses (without it: ${known.join(', ')})`,
  )
  .option('--kind <name>', 'only this kind; may be repeated (without it: the three shortest)', add)
  .option('--check <name>', 'only this part of the contract; may be repeated', addCheck)
  .option(
    '--patience <seconds>',
    'how long it may take until it has done what it has to, each time',
    readNumber({ min: 5, max: 600 }),
    60,
  )
  .addOption(
    new Option('--engine <name>', 'which engine')
      .choices(['postgres', 'timescaledb'])
      .default('postgres'),
  )
  .parse()
  .opts<{
    service: string;
    command?: string;
    kind?: string[];
    check?: string[];
    patience: number;
    engine: Engine;
  }>();

function checkedService(name: string): string {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(name)) return name;
  throw new InvalidArgumentError('It must be a short code, such as my_service.');
}

function add(kind: string, kinds: readonly string[] = []): string[] {
  return [...kinds, kind];
}

function addCheck(name: string, chosen: readonly string[] = []): string[] {
  if (checkNames.includes(name)) return [...chosen, name];
  throw new InvalidArgumentError(`It must be one of ${checkNames.join(', ')}.`);
}

function refuse(reason: string): never {
  process.stderr.write(`foresight conformance: ${reason}\n`);
  process.exit(exitForConfig);
}

const margins = { pass: 'pass       ', fail: 'FAIL       ', 'not tried': 'not tried  ' } as const;

function tell({ check, outcome, detail, rule, words = '' }: Verdict): void {
  console.log(`${margins[outcome]}${check}: ${detail}`);
  if (rule !== undefined) console.log(`           ${rule}`);
  if (words !== '')
    console.log(`           it said last:\n${words.replaceAll(/^/gm, '           | ')}`);
}

/** Whether it keeps the contract. */
async function lookAt(subject: Subject): Promise<boolean> {
  const server = await startServer(options.engine, 'own');
  if (server === undefined) refuse(`${options.engine} is not on this machine`);
  try {
    const { url, drop } = await createDatabase(server);
    const connection = { url, process: 'conformance', logger: labLogger, statementTimeout: 0 };
    const sql = openDatabase(connection);
    try {
      const world = await openWorld({ url, sql }, subject);
      try {
        return await conform(world, tell, options.check);
      } finally {
        await world.close();
      }
    } finally {
      await sql.end({ timeout: 2 });
      await drop();
    }
  } finally {
    await server.stop();
  }
}

const { service, kind: kinds, patience } = options;
const subject = subjectOf(service, options.command);
if (subject === undefined) refuse(`--command must say how the service ${service} is started`);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupted.abort());
}
try {
  const isRight = await lookAt({
    ...subject,
    ...(kinds === undefined ? {} : { kinds }),
    patienceMs: 1_000 * patience,
    signal: interrupted.signal,
  });
  console.log(`service ${service} ${isRight ? 'keeps' : 'does not keep'} the contract`);
  process.exitCode = isRight ? 0 : 1;
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  console.log('interrupted: what it keeps is not known');
  process.exitCode = 130;
}
