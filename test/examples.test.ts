// Every program in examples/ prints what its last comment says, in a folder of its own, and leaves nothing to wait for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = normalize(join(dirname(fileURLToPath(import.meta.url)), '../..'))
const examples = readdirSync(join(root, 'examples')).filter(name => name.endsWith('.js'))

test('there is an example for each line of examples/README.md, and a line for each example', () => {
  const listed = [...readFileSync(join(root, 'examples/README.md'), 'utf8').matchAll(/\]\((\S+\.js)\)/g)]
  assert.deepEqual(listed.map(match => match[1]!).toSorted(), examples.toSorted())
})

for (const name of examples) {
  test(`examples/${name} prints what it says`, () => {
    const file = join(root, 'examples', name)
    const expected = readFileSync(file, 'utf8')
      .split('\n// Prints:\n')[1]!
      .replaceAll(/^\/\/ /gm, '')
    const cwd = mkdtempSync(join(tmpdir(), 'holdfast-example-'))
    try {
      const run = spawnSync(process.execPath, [file], { cwd, encoding: 'utf8', timeout: 60_000 })
      assert.equal(run.stderr, '')
      assert.equal(run.stdout, expected)
      assert.equal(run.status, 0)
    } finally {
      rmSync(cwd, { recursive: true, force: true })
    }
  })
}
