import { writeFileSync } from 'node:fs';
import { command } from '../db/runtime/arguments.ts';
import { describeCatalog } from '../workers/indicators/catalog/tests/document.ts';

command('docs:indicators', 'Writes docs/indicators.md from the catalogue of kinds.').parse();

writeFileSync(new URL('../docs/indicators.md', import.meta.url), describeCatalog());
console.log('docs/indicators.md is written');
