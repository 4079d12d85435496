import module from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// Runs a script of package.json. JavaScript, so that an older Node can say what is missing: of TypeScript it only knows
// that it cannot read it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `foresight: this is Node ${process.versions.node} (${process.execPath}), and 22.18 or later is needed: scripts of npm look in node_modules/.bin first, where npm ci puts one unless optional packages are left out or there is none for this platform, then on PATH\n`,
  );
  process.exit(78);
}
// What Node has compiled is kept, also for the processes that the script starts: then they load in half the time.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('../node_modules/.cache/foresight', import.meta.url),
);
module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
const script = resolve(process.argv[2] ?? '');
process.argv.splice(1, 2, script);
await import(pathToFileURL(script).href);
