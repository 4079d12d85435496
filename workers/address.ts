import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Of IPv4, what is no public address of one host: https://www.iana.org/assignments/iana-ipv4-special-registry */
const special = new BlockList();
for (const range of [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]) {
  const [network = '', prefix] = range.split('/');
  special.addSubnet(network, Number(prefix), 'ipv4');
}

/** Of IPv6 there is one range of public addresses, with exceptions; those that stand for one of IPv4 lie outside, or are one. */
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');
const specialInGlobal = new BlockList();
for (const range of ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20']) {
  const [network = '', prefix] = range.split('/');
  specialInGlobal.addSubnet(network, Number(prefix), 'ipv6');
}

/** Whether an address is one of the Internet: not of this machine, of a private network, or of none. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, 'ipv4');
  if (!isIPv6(address) || address.includes('%')) return false;
  return global.check(address, 'ipv6') && !specialInGlobal.check(address, 'ipv6');
}
