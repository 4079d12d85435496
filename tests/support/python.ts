import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** An interpreter that has all that the example needs. */
export interface Python {
  readonly executable: string;
  /** Where else it looks for modules. */
  readonly path: string;
}

/** Older ones speak a protocol that the embedded queue refuses. */
const isNewBoto3 = "tuple(map(int, boto3.__version__.split('.')[:2])) >= (1, 29)";

/** Which Python it is, and where it has a module that is as it must be; undefined: it has none, or there is no such Python. */
function look(executable: string, module: string, condition = 'True') {
  const script = `import os, sys, ${module}; assert ${condition}
print('%d.%d' % sys.version_info[:2]); print(os.path.dirname(os.path.dirname(${module}.__file__)))`;
  try {
    const said = execFileSync(executable, ['-c', script], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [version = '', folder = ''] = said.split('\n');
    return { version, folder };
  } catch {
    return undefined;
  }
}

/** The one that a shell finds, whatever it has. */
export const plainPython: Python = { executable: 'python3', path: '' };

/**
 * A python3 with psycopg2 and boto3. psycopg2 is often the system's, and boto3, which is not compiled, is taken from
 * another interpreter of the same version. Undefined where this machine has none.
 */
export function findPython(): Python | undefined {
  const candidates = [process.env.PYTHON ?? '', 'python3', '/usr/bin/python3'].filter(Boolean);
  for (const executable of candidates) {
    const driver = look(executable, 'psycopg2');
    if (driver === undefined) continue;
    for (const other of [executable, ...candidates]) {
      const client = look(other, 'boto3', isNewBoto3);
      if (client?.version !== driver.version) continue;
      return { executable, path: other === executable ? '' : client.folder };
    }
  }
  return undefined;
}

/** For a test, which says that it is skipped where there is none. */
export function findPythonOrWarn(): Python | undefined {
  const python = findPython();
  if (python === undefined) {
    console.warn(
      '\n*** SKIPPED: no python3 with psycopg2 and boto3 1.29 or later, the Python example was NOT tried. Install both or set PYTHON. ***\n',
    );
  }
  return python;
}

export const exampleScript = join(
  import.meta.dirname,
  '..',
  '..',
  'examples',
  'python',
  'service.py',
);

/** How a shell starts the example, or what is made of it. */
export function startOfExample({ executable, path }: Python, script = exampleScript): string {
  const quoted = [executable, script].map(quote).join(' ');
  return `PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${quote(path)} exec ${quoted}`;
}

/** One word of a shell. */
export const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
