import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, onTestFinished } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import {
  exampleScript,
  findPythonOrWarn,
  plainPython,
  startOfExample,
} from '../../tests/support/python.ts';
import { type Candidate, expectAll, look, timeout } from './tests/look.ts';

const python = findPythonOrWarn();
const role = 'foresight_service';

const example: Candidate = {
  service: 'python_example',
  command: startOfExample(python ?? plainPython),
  role,
};

/** The same program under another name. */
function renamed(service: string): Candidate {
  const folder = mkdtempSync(join(tmpdir(), 'foresight-conformance-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, `${service}.py`);
  const text = readFileSync(exampleScript, 'utf8')
    .replace(/^SERVICE = .*$/m, `SERVICE = "${service}"`)
    .replace(/^KIND = .*$/m, `KIND = "${service}_line"`);
  writeFileSync(script, text);
  return { service, command: startOfExample(python ?? plainPython, script), role };
}

describeOnEngine('The Python example', database => {
  it.skipIf(python === undefined)(
    'keeps the contract beside another of its kind, which does too',
    { timeout },
    async ({ signal }) => {
      const both = [example, renamed('python_other')].map(each => look(database, each, signal));
      for (const verdicts of await Promise.all(both)) expectAll(verdicts);
    },
  );
});
