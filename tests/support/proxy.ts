import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What becomes of bytes and connections while it is set. `refuse`: new connections are reset. `stall`:
 * bytes come after it. `swallow`: they never come, and a connection that lost some stays open and dead.
 * `delay`: each piece takes longer. `cut`: the next piece arrives by half, then the connection is reset.
 */
export type ProxyFault = 'refuse' | 'stall' | 'swallow' | 'delay' | 'cut';

/** A TCP proxy on the loopback interface that can play a bad network. */
export interface FaultProxy {
  readonly port: number;
  set(fault: ProxyFault | undefined): void;
  fault(): ProxyFault | undefined;
  /** Resets every connection; says how many there were. */
  reset(): number;
  /** The other side loses every connection, ours is not told; says how many there were. */
  halfOpen(): number;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  isDead: boolean;
}

const delayMs = 150;

/**
 * @param targetUrl Of a server; without a port it is PostgreSQL's.
 * @param watch Makes for each connection what is given the bytes that the client sends.
 */
export async function openProxy(
  targetUrl: string,
  watch: () => (bytes: Buffer) => void = () => () => undefined,
): Promise<FaultProxy> {
  const { hostname, port } = new URL(targetUrl);
  const pairs = new Set<Pair>();
  let fault: ProxyFault | undefined;
  let released = Promise.withResolvers<void>();

  const resetPair = (pair: Pair): void => {
    pairs.delete(pair);
    pair.client.resetAndDestroy();
    pair.upstream.resetAndDestroy();
  };

  function join(pair: Pair, from: Socket, to: Socket): void {
    let before: Promise<unknown> = Promise.resolve();
    const pass = async (bytes: Buffer): Promise<void> => {
      while (fault === 'stall') await released.promise;
      if (fault === 'swallow') pair.isDead = true;
      if (pair.isDead || to.destroyed) return;
      if (fault === 'delay') await sleep(delayMs);
      if (fault !== 'cut') {
        to.write(bytes);
        return;
      }
      to.write(bytes.subarray(0, Math.ceil(bytes.length / 2)));
      await sleep(5);
      resetPair(pair);
    };
    from.on('data', (bytes: Buffer) => {
      before = before.then(() => pass(bytes));
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      void before.then(() => {
        if (pair.isDead && from === pair.upstream) return;
        pairs.delete(pair);
        to.destroySoon();
      });
    });
  }

  const server = createServer(client => {
    if (fault === 'refuse') {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(Number(port || 5432), hostname);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    const pair: Pair = { client, upstream, isDead: false };
    pairs.add(pair);
    client.on('data', watch());
    join(pair, client, upstream);
    join(pair, upstream, client);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    set(next) {
      fault = next;
      if (fault === 'stall') return;
      released.resolve();
      released = Promise.withResolvers<void>();
    },
    fault: () => fault,
    reset() {
      const count = pairs.size;
      for (const pair of [...pairs]) resetPair(pair);
      return count;
    },
    halfOpen() {
      for (const pair of pairs) {
        pair.isDead = true;
        pair.upstream.destroy();
      }
      return pairs.size;
    },
    close() {
      fault = undefined;
      released.resolve();
      for (const pair of [...pairs]) resetPair(pair);
      return new Promise(resolve => server.close(() => resolve()));
    },
  };
}
