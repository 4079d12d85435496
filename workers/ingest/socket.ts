import { WebSocket } from 'ws';
import type { Socket, SocketEars } from './network.ts';
import { oneLine } from './text.ts';

const LONGEST_MESSAGE = 2 ** 20;
/** Between two pings that ask whether we have caught up: providers bound how much they are told. */
const CATCHING_UP_MS = 1_000;

export interface SocketOptions {
  /** Milliseconds for the handshake. */
  readonly deadlineMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Dials a WebSocket. Messages are bounded, no redirect is followed, and of a message that waited on the way
 * because we were slow nobody says when it came.
 *
 * Node's own WebSocket tells neither the status nor the Retry-After of a refusal, bounds no message and can
 * not be paused, so this is `ws`.
 */
export function openSocket(
  url: string,
  { deadlineMs, now }: SocketOptions,
  ears: SocketEars,
): Socket {
  const socket = new WebSocket(url, {
    handshakeTimeout: deadlineMs,
    maxPayload: LONGEST_MESSAGE,
    followRedirects: false,
  });
  let catching: NodeJS.Timeout | undefined;
  /** The last time we were so slow that messages waited on the way; until the answer to a ping after it has come. */
  let slowness = 0;
  let caughtUp = 0;

  const end: SocketEars['onEnd'] = how => {
    clearTimeout(catching);
    ears.onEnd(how);
  };
  socket.on('open', ears.onOpen);
  socket.on('message', (data, isBinary) => {
    const cameAt = slowness === caughtUp ? now() : null;
    ears.onMessage(isBinary ? '' : data.toString(), cameAt);
  });
  socket.on('ping', ears.onPing);
  socket.on('pong', data => {
    if (data.toString() === String(slowness)) caughtUp = slowness;
  });
  socket.on('unexpected-response', (request, response) => {
    response.resume();
    request.destroy();
    const retryAfter = response.headers['retry-after'] ?? null;
    end({ kind: 'refused', status: response.statusCode ?? 0, retryAfter });
  });
  socket.on('error', (error: Error & { code?: string }) => {
    const why = error.code === undefined ? error.message : error.code;
    end({ kind: 'failed', why: oneLine(why, 100) });
  });
  socket.on('close', (code, reason) => {
    end({ kind: 'closed', code, words: oneLine(reason.toString(), 100) });
  });

  return {
    send: text => socket.send(text),
    pause: () => {
      if (socket.isPaused) return;
      socket.pause();
      slowness += 1;
    },
    resume: () => {
      if (!socket.isPaused) return;
      socket.resume();
      catching ??= setTimeout(() => {
        catching = undefined;
        const isHeard = socket.readyState === WebSocket.OPEN && !socket.isPaused;
        if (isHeard) socket.ping(String(slowness));
      }, CATCHING_UP_MS);
    },
    close: () => socket.terminate(),
  };
}
