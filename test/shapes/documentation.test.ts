// The program of docs/shapes.md runs as it is printed, against the compiled package.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
// Within the package, so that the program finds it under its own name.
const folder = mkdtempSync(join(root, 'dist/shapes-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('the program of docs/shapes.md prints what it should', () => {
  const [, program] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/shapes.md'), 'utf8'))!
  writeFileSync(join(folder, 'program.js'), program!)
  const run = spawnSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' })
  assert.equal(run.stderr, '')
  assert.equal(run.stdout, "1 search\nfalse [ 'Hello' ]\n{ language: 'zh-CN' }\n")
})
