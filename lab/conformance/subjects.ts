import { join } from 'node:path';
import { findPython, plainPython, quote, startOfExample } from '../../tests/support/python.ts';
import { services } from '../../workers/indicators/catalog.ts';
import type { Subject } from './world.ts';

const root = join(import.meta.dirname, '..', '..');

/** The services that are part of this repository. */
export const known: readonly string[] = [
  'python_example',
  ...services.map(({ service }) => service),
];

/** A shell's line that runs a script of ours. */
export const nodeLine = (script: string, ...args: readonly string[]): string =>
  ['exec', ...[process.execPath, join(root, script), ...args].map(quote)].join(' ');

/**
 * Of one of these, or of a service of somebody else, which a line of a shell starts.
 *
 * @returns undefined for somebody else's without a line.
 */
export function subjectOf(
  service: string,
  line?: string,
): Pick<Subject, 'service' | 'command' | 'role'> | undefined {
  const foreign = { service, role: 'foresight_service' };
  if (line !== undefined) return { ...foreign, command: line };
  if (service === 'python_example') {
    return { ...foreign, command: startOfExample(findPython() ?? plainPython) };
  }
  if (!known.includes(service)) return undefined;
  const command = nodeLine('workers/indicators/main.ts', '--service', service);
  return { service, command, role: 'foresight_indicators' };
}
