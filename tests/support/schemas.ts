import { readFileSync } from 'node:fs';

const foundation = new URL('../../db/migrations/0001_foundation.sql', import.meta.url);

/** Ours, in the order of the data's way. */
export const schemas: readonly string[] = [
  ...readFileSync(foundation, 'utf8').matchAll(/^create schema (\w+);$/gm),
].map(([, name = '']) => name);
