import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

// Loads every program of npm start once, so that Node keeps it compiled. JavaScript, and never an error: an install does
// not fail because of an older Node, and the first start then takes longer.
try {
  const { command } = await import('../db/runtime/arguments.ts');
  command(
    'postinstall',
    'Loads every program of npm start once, so that Node keeps it compiled.',
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
} catch {
  // As said.
}
