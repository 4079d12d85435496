/**
 * Does with all items what the database may refuse because of some of them: then with each half, so that no
 * item keeps another one back.
 *
 * @returns the items that are refused alone, with the error.
 */
export async function apart<Item>(
  items: readonly Item[],
  run: (items: readonly Item[]) => Promise<void>,
): Promise<{ item: Item; error: Error }[]> {
  const [item] = items;
  if (item === undefined) return [];
  try {
    await run(items);
    return [];
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (items.length === 1) return [{ item, error }];
    const half = Math.ceil(items.length / 2);
    return [...(await apart(items.slice(0, half), run)), ...(await apart(items.slice(half), run))];
  }
}

/** A content that the database can never take (classes 22 and 23, and a value that is none). */
function isRefused(error: unknown): error is Error {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return /^(2[23]...|VALUE)$/.test(String(error.code));
}
