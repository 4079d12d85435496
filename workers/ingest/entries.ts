import { type Source, type SourceEntry, SourceError, type SourceOption } from './source.ts';
import * as sources from './sources.ts';

const entries = Object.values(sources);

export const sourceNames: readonly string[] = entries.map(entry => entry.name);

/** The command-line options that belong to single sources. */
export const sourceOptions: readonly SourceOption[] = entries.flatMap(entry => entry.options ?? []);

/** The name of a row of `feed.polled_sources`, of what `--source` says; absent: it is one of ours. */
export const polledName = (source: string): string | undefined =>
  /^polled:([a-z][a-z0-9_]{0,31})$/.exec(source)?.[1];

/** @throws {SourceError} when there is no such source, or it needs settings that are absent. */
export function createSource(name: string, ...settings: Parameters<SourceEntry['create']>): Source {
  const entry = entries.find(each => each.name === name);
  if (entry === undefined) throw new SourceError(`wrong configuration: there is no source ${name}`);
  return entry.create(...settings);
}
