// The programs of docs/adapters.md run as they are printed, against the compiled package.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { urlOutside } from './outside.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
// Within the package, so that the programs find it under its own name.
const folder = mkdtempSync(join(root, 'dist/adapters-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const document = readFileSync(join(root, 'docs/adapters.md'), 'utf8')
const programs = [...document.matchAll(/```js\n([\s\S]*?)```/g)].map(match => match[1]!)

const EXPECTED = ['paid 42\nrun-1 { step: 2 }\n', "{ theme: 'dark' }\nundefined\n", 'paid: yes\n']

test('docs/adapters.md has as many programs as are checked here', () => {
  assert.equal(programs.length, EXPECTED.length)
})

for (const [index, program] of programs.entries()) {
  test(`program ${index + 1} of docs/adapters.md prints what it should`, () => {
    const cwd = mkdtempSync(join(folder, 'program-'))
    writeFileSync(join(cwd, 'program.js'), program.replace("'keyv'", `'${urlOutside('keyv')}'`))
    const run = spawnSync(process.execPath, ['program.js'], { cwd, encoding: 'utf8' })
    assert.equal(run.stderr, '')
    assert.equal(run.stdout, EXPECTED[index])
    assert.equal(run.status, 0)
  })
}
