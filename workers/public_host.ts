import { lookup as lookUpName } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from './address.ts';

export interface PublicHostOptions {
  /** Hosts that may have private addresses, as they stand in a URL. */
  readonly privateHosts?: readonly string[] | undefined;
  /** The setting that names them. */
  readonly setting: string;
  /** The addresses of a name. */
  readonly lookUp?: typeof lookUpName | undefined;
}

/** For a request to a host that somebody else names: nobody is asked who is not on the Internet, unless it is allowed. */
export interface PublicHosts {
  /** Why the host of this URL is not asked at all; absent: it may be, through `lookup`. */
  refusalOf(target: URL): string | undefined;
  /**
   * What a request to this URL is given. The connection is made to an address that was looked at here, not to a name
   * that is looked up again.
   */
  lookupOf(target: URL): { lookup?: LookupFunction };
}

export function createPublicHosts(options: PublicHostOptions): PublicHosts {
  const { privateHosts = [], setting, lookUp = lookUpName } = options;
  const isAllowed = (target: URL) => privateHosts.includes(hostOf(target));
  const refusal = (host: string) =>
    `the address of ${host} is private: ${setting} does not name it`;

  const lookUpPublic: LookupFunction = (hostname, wanted, callback) => {
    lookUp(hostname, { ...wanted, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) {
        callback(error ?? new Error(`${hostname} has no address`), '', 0);
      } else if (!addresses.every(({ address }) => isPublicAddress(address))) {
        callback(new Error(refusal(hostname)), '', 0);
      } else if (wanted.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };

  return {
    refusalOf(target) {
      const host = hostOf(target);
      // What stands there as an address is not looked up.
      if (isAllowed(target) || isIP(host) === 0 || isPublicAddress(host)) return undefined;
      return refusal(host);
    },
    lookupOf: target => (isAllowed(target) ? {} : { lookup: lookUpPublic }),
  };
}

const hostOf = (target: URL): string => target.hostname.replace(/^\[(.*)\]$/, '$1');
