// Keeps DESIGN.md true of the code: imports go one way and in no circle, files are one idea each, every error code has
// its paragraph, and every door of package.json leads to a file.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = normalize(join(dirname(fileURLToPath(import.meta.url)), '../..'))
const LINES_MAX = 450

/**
 * Layers of src/, from left to right: a file imports from its own layer and from those to its right. A layer is a folder;
 * of the files beside the folders, those of `TOP` are the layer "memory", the others "map".
 */
const ORDER = [
  'adapters',
  'cli',
  'memory',
  'shapes',
  'map',
  'engine',
  'policy',
  'tier',
  'log',
  'stores',
  'codec',
  'io',
  'core',
]
/** What hands out maps and shapes. */
const TOP = new Set(['index.ts', 'agent-memory.ts', 'shared-engine.ts'])
/** These do not import one another: the engine holds one of each. */
const SIBLINGS = new Set(['policy', 'tier', 'log', 'stores'])
const TESTING_MAY_IMPORT = new Set(['testing', 'stores', 'io', 'core'])

interface Source {
  path: string
  folder: string
  text: string
  imports: string[]
}

function sources(): Source[] {
  const files = readdirSync(join(root, 'src'), { recursive: true }).map(String)
  return files
    .filter(file => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map(path => {
      const text = readFileSync(join(root, 'src', path), 'utf8')
      const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(match => match[1]!)
      const imports = specifiers.map(each => normalize(join(dirname(path), each)).replace(/\.js$/, '.ts'))
      return { path, folder: folderOf(path), text, imports }
    })
}

function folderOf(path: string): string {
  if (path.includes('/')) return path.slice(0, path.indexOf('/'))
  return TOP.has(path) ? 'memory' : 'map'
}

test('imports go from left to right, and siblings do not import one another', () => {
  const wrong: string[] = []
  for (const { path, folder, imports } of sources()) {
    for (const each of imports) {
      const target = folderOf(each)
      if (folder === 'testing') {
        if (!TESTING_MAY_IMPORT.has(target)) wrong.push(`${path} imports ${each}`)
        continue
      }
      const isLeft = ORDER.indexOf(target) < ORDER.indexOf(folder)
      const isSibling = target !== folder && SIBLINGS.has(target) && SIBLINGS.has(folder)
      // An adapter is a program like any other: what it needs has to be public.
      const isInside = folder === 'adapters' && target !== folder && each !== 'index.ts'
      if (!ORDER.includes(target) || isLeft || isSibling || isInside) wrong.push(`${path} imports ${each}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('no file imports itself by way of others', () => {
  const graph = new Map(sources().map(({ path, imports }) => [path, imports]))
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(path), `a circle of imports: ${[...trail, path].join(' -> ')}`)
    if (done.has(path)) return
    for (const each of graph.get(path) ?? []) visit(each, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
})

test('no file has grown a second idea', () => {
  const long = sources().map(({ path, text }) => ({ path, lines: text.split('\n').length }))
  assert.deepEqual(
    long.filter(({ lines }) => lines > LINES_MAX),
    [],
  )
})

test('every error code has its paragraph in docs/errors.md, and no paragraph is about a code that is gone', () => {
  const text = readFileSync(join(root, 'src/core/errors.ts'), 'utf8')
  const unions = text.match(/export type (?:ErrorCode|WrongCallCode) =[^;]*?(?=\n\n)/g) ?? []
  const codes = unions.flatMap(union => [...union.matchAll(/'([A-Z_]+)'/g)].map(match => match[1]!))
  const documented = [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^### ([A-Z_]+)$/gm)].map(
    m => m[1]!,
  )
  assert.ok(codes.length > 20)
  assert.deepEqual([...documented].sort(), [...codes].sort())
})

test('every door of the package leads to a compiled file', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | Record<string, string>>
    bin: Record<string, string>
  }
  const targets = Object.values(manifest.exports).flatMap(each =>
    typeof each === 'string' ? [each] : Object.values(each),
  )
  for (const target of [...targets, ...Object.values(manifest.bin)]) {
    assert.ok(existsSync(join(root, target)), `${target} is missing`)
  }
})

test('links between the documents lead somewhere', () => {
  const documents = ['README.md', 'README.zh-CN.md', 'DESIGN.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
  const nested = readdirSync(join(root, 'docs'), { recursive: true }).map(String)
  for (const document of [
    ...documents,
    ...nested.filter(name => name.endsWith('.md')).map(name => join('docs', name)),
  ]) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(existsSync(join(root, dirname(document), target!)), `${document} links to ${target}`)
    }
  }
})

test('nothing but the clock reads the wall clock', () => {
  const readers = sources().filter(
    ({ path, text }) =>
      path !== 'io/clock.ts' && path !== 'io/expiry-clock.ts' && /Date\.now\(|new Date\(\)|wallMs\(\)/.test(text),
  )
  // Expiry goes by it, and nothing else. The log writes it into its headers, as a hint for people; the manual clock makes it.
  assert.deepEqual(readers.map(({ path }) => path).sort(), ['log/log.ts', 'testing/manual-clock.ts'])
})

test('each guarantee of DESIGN.md is kept by a line that exists and attacked by a test that exists', () => {
  const design = readFileSync(join(root, 'DESIGN.md'), 'utf8')
  const rows = [...design.matchAll(/^\| (I\d+) \|(.*)$/gm)]
  assert.deepEqual(
    rows.map(row => row[1]),
    rows.map((_, index) => `I${index + 1}`),
  )
  assert.ok(rows.length >= 20)
  for (const [, number, cells] of rows) {
    const references = [...cells!.matchAll(/`((?:src|test)\/[^`]+)`: `([^`]+)`/g)]
    assert.equal(references.length, 2, `${number} names a line and a test`)
    for (const [, path, text] of references) {
      assert.ok(readFileSync(join(root, path!), 'utf8').includes(text!), `${number}: ${path} has no "${text}"`)
    }
  }
})
