/** There was no answer in time; whether what was asked for is done is not known. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';
}

/** By the code of PostgreSQL (ended by an administrator, a crash or a shutdown), postgres.js or the system. */
export function isLostConnection(error: unknown): boolean {
  return /^(57P0[123]|CONNECTION_(CLOSED|DESTROYED)|ECONNRESET|EPIPE)$/.test(codeOf(error));
}

/** What a server or the way to it says for a while, to any program: where we were tells nothing about it. */
export function isPassing(error: unknown): boolean {
  return (
    isLostConnection(error) ||
    error instanceof SilenceError ||
    /^(08|53|57014|40P01|55P03|25P0|CONNECT|ECONN|ETIMEDOUT)/.test(codeOf(error))
  );
}

function codeOf(error: unknown): string {
  return String(((error ?? {}) as { code?: unknown }).code);
}
