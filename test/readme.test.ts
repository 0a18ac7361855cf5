// Every program of the README runs as it is printed, in a folder of its own, against the compiled package.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = normalize(join(dirname(fileURLToPath(import.meta.url)), '../..'))
// Within the package, so that the programs find it under its own name.
const folder = mkdtempSync(join(root, 'dist/readme-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const programs = (language: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(match => match[1]!)

const EXPECTED = [
  "{ step: 2, messages: [ 'Hello' ] }\n",
  'tier\nstore\n',
  "acme/capital Berlin\nacme/founded 1999-01-01T00:00:00.000Z\n[ 'Bonn', undefined ]\n",
  "user Where is my order?\nassistant On its way.\n{ language: 'zh-CN' }\n[ 0, 1 ] ended\n",
]

test('the README has as many JavaScript programs as are checked here', () => {
  assert.equal(programs('js').length, EXPECTED.length)
})

for (const [index, program] of programs('js').entries()) {
  test(`program ${index + 1} of the README prints what it should`, () => {
    const cwd = mkdtempSync(join(folder, 'program-'))
    const file = join(cwd, 'program.js')
    writeFileSync(file, program)
    const run = spawnSync(process.execPath, [file], { cwd, encoding: 'utf8' })
    assert.equal(run.stderr, '')
    assert.equal(run.stdout, EXPECTED[index])
    assert.equal(run.status, 0)
  })
}

test('the TypeScript program of the README compiles, without a cast, and runs', () => {
  const cwd = mkdtempSync(join(folder, 'typescript-'))
  const [program] = programs('ts')
  writeFileSync(join(cwd, 'program.ts'), program!)
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const config = {
    compilerOptions: {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      skipLibCheck: false,
    },
    files: ['program.ts'],
  }
  writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify(config))
  const built = spawnSync(process.execPath, [tsc, '-p', cwd], { encoding: 'utf8' })
  assert.equal(built.stdout, '')
  const run = spawnSync(process.execPath, [join(cwd, 'program.js')], { cwd, encoding: 'utf8' })
  assert.equal(run.stderr, '')
  assert.equal(run.status, 0)
})
