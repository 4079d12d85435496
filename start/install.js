import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

// Makes the first start short: loads every program of npm start once, so that Node keeps it compiled, and makes an empty
// database, of which a start takes a copy. JavaScript, and never an error: an install does not fail because of an older
// Node, and the first start then takes longer.
try {
  const { command } = await import('../db/runtime/arguments.ts');
  command(
    'postinstall',
    'Makes the first start short: compiles every program, and makes an empty database to copy.',
  ).parse();
  for (const program of [
    'start/main.ts',
    'workers/ingest/main.ts',
    'workers/upkeep/main.ts',
    'workers/publish/main.ts',
    'workers/indicators/main.ts',
    'web/main.ts',
  ]) {
    // With all its modules, and nothing done.
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('run.js', import.meta.url)), program, '--help'],
      { cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: 'ignore' },
    );
    await once(child, 'exit');
  }
  const { prepareDatabase } = await import('./embedded/prepared.ts');
  const { createLogger } = await import('../db/runtime/logger.ts');
  await prepareDatabase(createLogger('postinstall', 'silent'));
} catch {
  // As said.
}
