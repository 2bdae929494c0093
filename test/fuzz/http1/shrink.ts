/** The shortest text found by leaving out pieces of which `fails` stays true. */
export function shrink(text: string, fails: (text: string) => boolean): string {
  let shortest = text;
  for (let size = Math.ceil(text.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < shortest.length;) {
      const shorter = shortest.slice(0, at) + shortest.slice(at + size);
      if (shorter !== '' && fails(shorter)) shortest = shorter;
      else at += size;
    }
  }
  return shortest;
}
