import type { IncomingMessage, ServerResponse } from 'node:http';
import { GRANULARITIES } from './fake_candles.ts';

export const CANDLES_PATH = /^\/v3\/instruments\/([^/]+)\/candles$/;
const MOST_CANDLES = 5_000;
const ACCOUNT_PATH = /^\/v3\/accounts\/([^/]+)\/(instruments|pricing|pricing\/stream)$/;
const ACCOUNT_ID = /^\d+-\d+-\d+-\d+$/;
const MOST_STREAMS = 20;

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Record<string, string>;
}

/** What OANDA would refuse, in the order in which it looks. */
export function findFault(
  request: IncomingMessage,
  { token, accountId }: { readonly token: string; readonly accountId: string },
  openStreams: number,
  isOffered: (name: string) => boolean,
  now: string,
): Refusal | null {
  const url = new URL(request.url ?? '/', 'http://fake');
  const [, candles] = CANDLES_PATH.exec(url.pathname) ?? [];
  const [, account, resource] = ACCOUNT_PATH.exec(url.pathname) ?? [];
  if (account === undefined && candles === undefined)
    return { status: 404, message: 'The resource does not exist' };
  if (request.method !== 'GET') return { status: 405, message: 'Method Not Allowed' };
  if (request.headers.authorization !== `Bearer ${token}`) {
    return { status: 401, message: 'Insufficient authorization to perform request.' };
  }
  if (candles !== undefined) {
    return isOffered(candles) ? findCandlesFault(url.searchParams, now) : invalid('instrument');
  }
  if (account === undefined || !ACCOUNT_ID.test(account)) return invalid('accountID');
  if (account !== accountId) {
    return { status: 403, message: 'The provided account is not yours to see.' };
  }
  if (resource === 'instruments') return null;
  const asked = url.searchParams.get('instruments')?.split(',') ?? [];
  if (asked.length === 0 || !asked.every(isOffered)) return invalid('instruments');
  if (resource === 'pricing') {
    const since = url.searchParams.get('since');
    return since === null || TIME.test(since) ? null : invalid('since');
  }
  if (openStreams >= MOST_STREAMS) return { status: 429, message: 'Too many streams' };
  return null;
}

const TIME = /^\d{4}-\d\d-\d\dT[\d:]{8}(\.\d{1,9})?Z$/;

function findCandlesFault(asked: URLSearchParams, now: string): Refusal | null {
  const [from, to, count] = ['from', 'to', 'count'].map(name => asked.get(name));
  const width = GRANULARITIES[asked.get('granularity') ?? 'S5'];
  if (width === undefined) return invalid('granularity');
  if (!/^[MBA]+$/.test(asked.get('price') ?? 'M')) return invalid('price');
  for (const [name, time] of Object.entries({ from, to })) {
    if (time === null || time === undefined) continue;
    if (!TIME.test(time)) return invalid(name);
    if (Date.parse(time) > Date.parse(now))
      return {
        status: 400,
        message: `Invalid value specified for '${name}'. Time is in the future`,
      };
  }
  if (from && to && count) {
    return { status: 400, message: "'count' cannot be specified when 'to' and 'from' are set" };
  }
  const between = from && to ? (Date.parse(to) - Date.parse(from)) / 1_000 / width : 0;
  return between > MOST_CANDLES || Number(count ?? 0) > MOST_CANDLES
    ? { status: 400, message: "Maximum value for 'count' exceeded" }
    : null;
}

function invalid(field: string): Refusal {
  return { status: 400, message: `Invalid value specified for '${field}'` };
}

export function refuse(response: ServerResponse, { status, message, headers }: Refusal): void {
  response.writeHead(status, { 'Content-Type': 'application/json', RequestID: '1', ...headers });
  response.end(JSON.stringify({ errorMessage: message }));
}
