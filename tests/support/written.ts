import { readFileSync } from 'node:fs';

/** A block of code in a document. */
export interface Block {
  readonly language: string;
  readonly code: string;
}

/** The blocks of code of a document that say their language, in order, for a test to run as they stand. */
export function blocksOf(file: URL): Block[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', code = '']) => ({
    language,
    code,
  }));
}
