import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MUTANTS } from '../../prove/mutants/all.js'
import { misplaced } from '../../prove/mutants/copy.js'
import { proveMutants } from '../../prove/mutants.js'

test('each bug that can be planted has its place in the code as it is', async () => {
  for (const [name, mutant] of Object.entries(MUTANTS)) assert.deepEqual(await misplaced(mutant), [], name)
})

test('there is a bug for each guarantee that a bug can break', () => {
  const design = readFileSync(new URL('../../../DESIGN.md', import.meta.url), 'utf8')
  const guarantees = [...design.matchAll(/^\| (I\d+) \|/gm)].map(row => row[1]!)
  const broken = new Set(Object.values(MUTANTS).map(({ breaks }) => breaks))
  // That nothing but the clock reads the wall clock is about the text of the code: test/architecture.test.ts.
  assert.deepEqual(
    guarantees.filter(each => !broken.has(each)),
    ['I23'],
  )
})

test('bugs that are planted are found by the parts that are meant to', async () => {
  const names = [
    'ack-before-sync',
    'applied-apart',
    'through-unflushed',
    'chain-unchecked',
    'damage-is-torn',
    'lock-not-taken',
  ]
  const { failures, counts } = await proveMutants({ names })

  assert.deepEqual(failures, [])
  assert.deepEqual(counts, { mutants: names.length, caught: names.length })
})

test('a part that does not look finds nothing, and that is told', async () => {
  const args = ['--states', '0', '--first']
  const { failures } = await proveMutants({ names: ['ack-before-sync'], hunter: 'power', args })

  assert.match(failures[0]?.what ?? '', /ack-before-sync .* is not found by power/)
})
