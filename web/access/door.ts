import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';

const methods = ['GET', 'HEAD'];

/**
 * What no request gets past: it must name a host that is ours, since a page of somebody else can make its own name
 * point here and read with it, and it must be one that only reads. Nothing is kept by whoever is in between.
 *
 * @param hosts Names in lower case, beside every address and localhost.
 */
export function guardDoor(hosts: readonly string[]): MiddlewareHandler {
  return async (context, next) => {
    const { hostname } = new URL(context.req.url);
    if (!isOurs(hostname, hosts)) {
      return context.text(
        'This page does not answer to that host name: PAGE_HOSTS lists those it does.\n',
        421,
        { 'Cache-Control': 'no-store' },
      );
    }
    if (!methods.includes(context.req.raw.method)) {
      return context.text('only GET and HEAD are known here\n', 405, {
        Allow: methods.join(', '),
        'Cache-Control': 'no-store',
      });
    }
    await next();
    if (!context.res.headers.has('Cache-Control')) {
      context.res.headers.set('Cache-Control', 'no-store');
    }
    return undefined;
  };
}

/** Nobody can make an address name something else. */
function isOurs(hostname: string, hosts: readonly string[]): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '');
  return name === 'localhost' || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || hosts.includes(name);
}
