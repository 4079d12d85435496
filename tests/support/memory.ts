import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the heap that something still needs: what waits to be collected is luck. */
export function usedHeap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** The same with the buffers, which are beside the heap. */
export function usedMemory(): number {
  return usedHeap() + process.memoryUsage().external;
}
