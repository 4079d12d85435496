/**
 * The fields of one line of CSV, without the blanks around them; null where its quotes do not match.
 *
 * A quote ends with its line: with one that may go on, a line that is broken takes those after it along.
 *
 * @param delimiter One character.
 */
export function splitFields(line: string, delimiter: string): string[] | null {
  if (!line.includes('"')) return line.split(delimiter).map(field => field.trim());
  const fields: string[] = [];
  for (let at = 0; at <= line.length; ) {
    let start = at;
    while (line[start] !== delimiter && line[start]?.trim() === '') start += 1;
    const isQuoted = line[start] === '"';
    const close = isQuoted ? closingQuote(line, start) : start;
    if (close < 0) return null;
    const next = line.indexOf(delimiter, close);
    const end = next < 0 ? line.length : next;
    const rest = line.slice(isQuoted ? close + 1 : start, end).trim();
    if (rest.includes('"') || (isQuoted && rest !== '')) return null;
    fields.push(isQuoted ? line.slice(start + 1, close).replaceAll('""', '"') : rest);
    at = end + 1;
  }
  return fields;
}

/** Where the quote that is opened here closes, or -1; two of them inside stand for one. */
function closingQuote(line: string, open: number): number {
  let close = line.indexOf('"', open + 1);
  while (close >= 0 && line[close + 1] === '"') close = line.indexOf('"', close + 2);
  return close;
}
