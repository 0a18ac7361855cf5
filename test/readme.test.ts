// Every program of the README, of docs/loading.md and of docs/shapes.md runs as it is printed, in a folder of its own, against the compiled package.
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

const programs = (document: string, language: string) => {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(match => match[1]!)
}

const OF_README = [
  "{ step: 2, messages: [ 'Hello' ] }\n",
  'tier\nstore\n',
  "acme/capital Berlin\nacme/founded 1999-01-01T00:00:00.000Z\n[ 'Bonn', undefined ]\n",
  "user Where is my order?\nassistant On its way.\n{ language: 'zh-CN' }\n[ 0, 1 ] ended\n",
  'Hold fast is 9 bytes, 4 of them from byte 5 on\n',
  '56/facts,acme,capital.json\n',
]

const OF_LOADING = ["[ { id: '1', name: 'Ada' }, undefined, undefined ] 2\nundefined false 2\n"]
const OF_SHAPES = ["1 search\nfalse [ 'Hello' ]\n{ language: 'zh-CN' }\n"]
const EXPECTED: Record<string, string[]> = {
  'README.md': OF_README,
  'docs/loading.md': OF_LOADING,
  'docs/shapes.md': OF_SHAPES,
}

for (const [document, expected] of Object.entries(EXPECTED)) {
  test(`${document} has as many JavaScript programs as are checked here`, () => {
    assert.equal(programs(document, 'js').length, expected.length)
  })

  for (const [index, program] of programs(document, 'js').entries()) {
    test(`program ${index + 1} of ${document} prints what it should`, () => {
      const cwd = mkdtempSync(join(folder, 'program-'))
      const file = join(cwd, 'program.js')
      writeFileSync(file, program)
      const run = spawnSync(process.execPath, [file], { cwd, encoding: 'utf8' })
      assert.equal(run.stderr, '')
      assert.equal(run.stdout, expected[index])
      assert.equal(run.status, 0)
    })
  }
}

test('the TypeScript program of the README compiles, without a cast, and runs', () => {
  const cwd = mkdtempSync(join(folder, 'typescript-'))
  const [program] = programs('README.md', 'ts')
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
