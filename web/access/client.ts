import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import type { Context } from 'hono';

/**
 * Whoever counts as one client: an address, of IPv6 the network that a subscriber has as a whole.
 *
 * @param isBehindProxy Then it is whom the proxy says last that it speaks for; before that stands what anybody may write.
 */
export function clientOf(context: Context, isBehindProxy: boolean): string {
  const { incoming } = (context.env ?? {}) as { incoming?: IncomingMessage };
  const forwarded = context.req.header('X-Forwarded-For')?.split(',').at(-1)?.trim();
  const address =
    (isBehindProxy ? forwarded : undefined) || incoming?.socket.remoteAddress || 'unknown';
  return isIPv6(address) ? networkOf(address) : address;
}

/** The first 64 bits; of an IPv4 address in IPv6's writing, that address. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<string>(Math.max(0, zeros)).fill('0'), ...last]
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':');
}
