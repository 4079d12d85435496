import { maCross } from './catalog/ma_cross.ts';
import type { Kind } from './kind.ts';

/** Every indicator this service computes; a new one is a file in `catalog/` and a line here. */
export const catalog: readonly Kind[] = [maCross];
