/**
 * Parses JSON with every number as its own text, so that no id and no price ever goes through a binary float:
 * beyond 2^53 it would come out as another.
 * @returns undefined when it is no JSON.
 */
export function parseExactly(text: string): unknown {
  try {
    return JSON.parse(text, keepSource as (key: string, value: unknown) => unknown);
  } catch {
    return undefined;
  }
}

function keepSource(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? (context?.source ?? String(value)) : value;
}
