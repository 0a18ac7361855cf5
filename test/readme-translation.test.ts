// README.zh-CN.md says what README.md says: of all that can be compared without reading either language, both have the same.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = normalize(join(dirname(fileURLToPath(import.meta.url)), '../..'))
const textOf = (document: string) => readFileSync(join(root, document), 'utf8')
const english = textOf('README.md')
const chinese = textOf('README.zh-CN.md')

const CODE_BLOCK = /^```.*\n[\s\S]*?^```$/gm
const INLINE_CODE = /`[^`\n]+`/g
const LINK_TARGET = /\]\(([^)\s]+)\)/g
const FIGURE = /\d(?:[\d,.]*\d)?/g

const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(match => match[1] ?? match[0])
/** A reader of either language finds the other one at the top. */
const links = (text: string) => matches(text, LINK_TARGET).filter(target => !/^README(\.zh-CN)?\.md$/.test(target))
const figures = (text: string) => matches(text.replaceAll(INLINE_CODE, '').replaceAll(LINK_TARGET, ']'), FIGURE)

function tablesOf(prose: string): string[][][] {
  const tables = prose.match(/(?:^\|.*\|\n)+/gm) ?? []
  return tables.map(table =>
    table
      .trimEnd()
      .split('\n')
      .map(row => row.slice(1, -1).split('|')),
  )
}

/** What must be equal, under a word for the failure. Words may come in another order than in English, but not in another section. */
function skeleton(text: string) {
  const prose = text.replaceAll(CODE_BLOCK, '')
  const sections = prose.split(/^#+ .*$/m)
  return {
    'code blocks': text.match(CODE_BLOCK),
    headings: matches(prose, /^(#+) /gm),
    tables: tablesOf(prose).map(rows =>
      rows.map(cells => cells.map(cell => ({ code: matches(cell, INLINE_CODE), figures: figures(cell) }))),
    ),
    links: sections.map(section => links(section).sort()),
    'inline code': sections.map(section => matches(section, INLINE_CODE).sort()),
    figures: sections.map(section => figures(section).sort()),
  }
}

function assertSame(translated: string, original: string): void {
  const [left, right] = [skeleton(translated), skeleton(original)]
  for (const part of Object.keys(right) as (keyof typeof right)[]) {
    assert.deepEqual(left[part], right[part], `${part}: change README.zh-CN.md together with README.md`)
  }
}

test('README.zh-CN.md has the code, the headings, the tables, the links and the figures of README.md', () => {
  assertSame(chinese, english)
})

test('each README leads to the other at its top', () => {
  assert.match(english, /^# Holdfast\n\n\*\*English\*\* \| \[简体中文\]\(README\.zh-CN\.md\)\n/)
  assert.match(chinese, /^# Holdfast\n\n\[English\]\(README\.md\) \| \*\*简体中文\*\*\n/)
})

test('bold text of the translation ends where Markdown sees it end', () => {
  // Closing asterisks between a punctuation mark and a letter are no end of bold text (CommonMark, 6.2).
  assert.deepEqual(chinese.replaceAll(CODE_BLOCK, '').match(/\*\*[^*\n]*[\p{P}]\*\*(?=[^\s\p{P}])/gu), null)
})

const DRIFTS: [name: string, from: string, to: string][] = [
  ['a line of a program', "memory.map('runs')", "memory.map('run')"],
  ['a comment in a code block', '# the whole suite', '# 全部测试'],
  ['the language of a code block', '```ts\n', '```js\n'],
  ['the level of a heading', '## 工作原理', '### 工作原理'],
  ['a row of a table', '| `memory.reopen()`', '`memory.reopen()`'],
  ['a column of a table', '| `memory.reopen()`', '| | `memory.reopen()`'],
  ['code in a cell', '| `write-back`', '| `write-through`'],
  ['a figure', '1 MiB', '2 MiB'],
  ['code in the text', '运行 `npm run prove -- ci`', '运行 `npm run prove`'],
  ['the target of a link', '(docs/blobs.md)', '(docs/blob.md)'],
  ['a paragraph', '[docs/shapes.md](docs/shapes.md)', ''],
]
for (const [name, from, to] of DRIFTS) {
  test(`a translation that differs in ${name} is found`, () => {
    assert.ok(chinese.includes(from), `README.zh-CN.md has no ${from}`)
    assert.throws(() => assertSame(chinese.replace(from, to), english), assert.AssertionError)
  })
}
