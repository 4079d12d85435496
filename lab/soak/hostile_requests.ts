import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import {
  ask,
  begun,
  faultOf,
  hostileRequests,
  noRequests,
  readAnswer,
  routesOf,
  written,
} from '../../tests/support/hostile_requests.ts';
import type { Door, Outcome } from './trials.ts';

/** A process that serves the page. */
export interface Web {
  readonly port: number;
  /** Undefined while it does not run. */
  pid(): number | undefined;
}

interface Input {
  readonly web: Web;
  readonly request: Buffer;
}

/** Requests to running processes, which may be killed, frozen or without a database meanwhile. */
export function doorOfRequests(webs: readonly Web[], symbol: string): Door<Input> {
  const requests = fc.oneof(
    {
      weight: 9,
      arbitrary: hostileRequests(routesOf(symbol, 1)).map(each => Buffer.from(written(each))),
    },
    { weight: 1, arbitrary: noRequests.map(begun) },
  );
  const inputs = fc.record({ web: fc.constantFrom(...webs), request: requests });
  return {
    name: 'HTTP requests',
    draw(seed) {
      const [input] = fc.sample(inputs, { seed, numRuns: 1 });
      if (input === undefined) throw new Error('no input');
      return input;
    },
    attempt,
    write: ({ request }) => JSON.stringify(String(request)),
  };
}

async function attempt({ web, request }: Input): Promise<Outcome> {
  const pid = web.pid();
  if (pid === undefined) return { kind: 'no process' };
  const limits = { silenceMs: 2_000, longestMs: 5_000 };
  const asked = await ask(web.port, request, limits).catch(() => undefined);
  // It waits for the rest of what was announced, or is frozen, or its machine is busy.
  if (asked === undefined || (asked.isSilent && asked.bytes.length === 0)) {
    return { kind: 'silence' };
  }
  const answer = await readAnswer(asked.bytes);
  if (answer === undefined || Number.isNaN(answer.status)) {
    // Who is refused while it still writes is cut off; one that died is gone by now.
    await sleep(500);
    return web.pid() === pid
      ? { kind: 'cut off' }
      : { kind: 'cut off', suspicion: 'the process has ended' };
  }
  const { status, body } = answer;
  const kind = String(status);
  const fault = faultOf(answer);
  if (fault !== '') return { kind, fault };
  // A page that cannot be shown says why. /readyz and /events have no page, and say it in lines.
  if (status === 503 && body.includes('</html>') && !body.includes('The database ')) {
    return { kind, fault: `503 without what is wrong: ${body.slice(-300)}` };
  }
  if (status >= 500 && status !== 503) {
    return { kind, suspicion: `${status}: ${body.slice(0, 300)}` };
  }
  return { kind };
}
