import { describe, expect, it } from 'vitest';
import { isPublicAddress } from './address.ts';

describe('an address', () => {
  it.each([
    ...['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.0', '192.167.255.255', '223.255.255.255'],
    ...['100.63.255.255', '100.128.0.0', '169.253.255.255', '198.17.255.255', '198.20.0.0'],
    ...['2606:4700::1111', '2a00:1450::1', '2001:4860:4860::8888', '3ffe::1'],
  ])('%s is public', address => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    // This machine, and what means it too.
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::1', '::'],
    // Private networks, link-local ones, and where clouds keep their metadata.
    ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '169.254.169.254'],
    ...['fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd00:ec2::254', 'fec0::1'],
    // Many, or none.
    ...['224.0.0.1', '255.255.255.255', '240.0.0.1', 'ff02::1', '192.0.2.1', '203.0.113.9'],
    ...['2001:db8::1', '3fff::1', '198.18.0.1', '100::1'],
    // What stands for an address of IPv4.
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::7f00:1'],
    ...['2002:7f00:1::', '2001:0:7f00:1::', '64:ff9b:1::1'],
    // None at all.
    ...['', 'localhost', '1.2.3', '01.2.3.4', '8.8.8.8 ', '[::1]', '2606:4700::1111%lo'],
  ])('%s is not', address => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
