import type { TestProject } from 'vitest/node';
import { setUpPostgres } from './postgres.ts';
import type { TestEngine } from './template.ts';
import { setUpTimescaledb } from './timescaledb.ts';

/** Both engines at once, for what has to be the same on both. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const engines: TestEngine[] = [];
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    for (const setUp of [setUpPostgres, setUpTimescaledb]) {
      closers.push(await setUp(engine => engines.push(engine), project.name));
    }
  } catch (error) {
    await close();
    throw error;
  }
  project.provide('engines', engines);
  return close;
}
