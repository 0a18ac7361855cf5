/** The text of a value: at a path, for embeddings, and all of it, for a search by words. */

/**
 * The texts at a path: `$` is the whole value as JSON; `a.b` a field, `a[0]` and `a[-1]` an element, `a[*]` and `*` each of
 * them, `{a,b.c}` several. A path that leads nowhere gives none.
 */
export function textsAt(value: unknown, path: string): string[] {
  const parts = partsOf(path)
  if (parts[0] === '$') parts.shift()
  return along(value, parts, 0).filter(text => text.trim() !== '')
}

/** Names of fields and what is in them, as running text. */
export function wordsOf(value: unknown): string {
  const words: string[] = []
  const walk = (at: unknown): void => {
    if (typeof at !== 'object' || at === null) {
      if (at !== null && at !== undefined) words.push(String(at))
    } else if (at instanceof Date) words.push(textOf(at))
    else if (Array.isArray(at) || at instanceof Set) for (const each of at) walk(each)
    else if (!ArrayBuffer.isView(at)) {
      for (const [key, each] of at instanceof Map ? at : Object.entries(at)) {
        walk(key)
        walk(each)
      }
    }
  }
  walk(value)
  return words.join('\n')
}

/** `a[0].{b,c}` is `a`, `[0]`, `{b,c}`. */
function partsOf(path: string): string[] {
  return path.match(/\[[^\]]*\]|\{[^}]*\}|[^.[\]{}]+/g) ?? ['$']
}

function along(value: unknown, parts: readonly string[], from: number): string[] {
  const part = parts[from]
  if (part === undefined) return value === null || value === undefined ? [] : [textOf(value)]
  if (typeof value !== 'object' || value === null) return []
  if (part.startsWith('{')) {
    const paths = part.slice(1, -1).split(',')
    return paths.flatMap(path => along(value, partsOf(path.trim()), 0))
  }
  const isIndex = part.startsWith('[')
  if (isIndex && !Array.isArray(value)) return []
  if (part === '*' || part === '[*]') return Object.values(value).flatMap(each => along(each, parts, from + 1))
  if (isIndex) {
    const index = Number.parseInt(part.slice(1), 10)
    return Number.isNaN(index) ? [] : along((value as unknown[]).at(index), parts, from + 1)
  }
  return Object.hasOwn(value, part) ? along((value as Record<string, unknown>)[part], parts, from + 1) : []
}

function textOf(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '' : value.toISOString()
  return typeof value === 'object' ? JSON.stringify(value, plain, 2) : String(value)
}

/** What JSON cannot say, in words: bytes say nothing to a reader. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Map) return [...value]
  if (value instanceof Set) return [...value]
  return ArrayBuffer.isView(value) ? undefined : value
}
