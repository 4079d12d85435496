import { z } from 'zod';

/** JSON Pointer, RFC 6901. */
const pointer = z
  .string()
  .regex(/^(\/([^~/]|~[01])*)*$/, 'is no JSON Pointer')
  .nullable();

/** A row of `feed.polled_sources` as `feed.polled_source` hands it out. Its owner may have changed it by hand. */
const schema = z.object({
  source: z.string(),
  description: z.string(),
  url: z.url({ protocol: /^https?$/, error: 'is no URL of http or https' }),
  poll_every_ms: z.number().min(1_000).max(86_400_000),
  symbols: z.record(z.string(), z.string().min(1)),
  headers: z.record(
    z.string().regex(/^[A-Za-z0-9-]+$/, 'has a name that no header has'),
    z.string().regex(/^[ -~]*$/, 'has characters that no header has'),
  ),
  time_format: z.enum(['iso', 's', 'ms', 'us', 'ns', 'received']),
  items_path: pointer,
  symbol_path: pointer,
  time_path: pointer,
  bid_path: pointer,
  ask_path: pointer,
  last_path: pointer,
  size_path: pointer,
  id_path: pointer,
  ids_are_consecutive: z.boolean(),
  calendar: z.string().nullable(),
  status: z.string(),
});

export type Row = z.infer<typeof schema>;

/** @throws {Error} one line that names the column. */
export function readRow(told: unknown): Row {
  const { data, error } = schema.safeParse(told);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  throw new Error(`${issue?.path.join('.')} ${issue?.message}`);
}

export interface FilledHeaders {
  readonly headers: Readonly<Record<string, string>>;
  /** What of them is never told. */
  readonly secrets: readonly string[];
}

/**
 * The headers of a row with the tokens that they name.
 * @throws {Error} when a variable is not set, or is none that a row may name.
 */
export function fillHeaders(
  headers: Row['headers'],
  tokens: Readonly<Record<string, string>>,
): FilledHeaders {
  const secrets = new Set<string>();
  const fill = (_: string, name: string): string => {
    const token = Object.hasOwn(tokens, name) ? tokens[name] : undefined;
    if (!name.startsWith('POLLED_TOKEN_')) {
      throw new Error(`headers name ${name}, which does not begin with POLLED_TOKEN_`);
    }
    if (token === undefined) throw new Error(`headers name ${name}, which is not set`);
    secrets.add(token);
    return token;
  };
  const filled = Object.entries(headers).map(([name, value]) => [
    name,
    value.replaceAll(/\{([^}]*)\}/g, fill),
  ]);
  return { headers: Object.fromEntries(filled), secrets: [...secrets] };
}
