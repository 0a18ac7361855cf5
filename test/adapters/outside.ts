/** What others have published and our adapters are tried with: it has a folder and a lock file of its own, test/outside. */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
const folder = join(root, 'test/outside')

/** The compiled adapter behind a door, as a URL: suites run in processes of their own and import it from there. */
export function doorOf(adapter: 'abstract-level' | 'keyv' | 'langgraph'): string {
  return new URL(`../../src/adapters/${adapter}/index.js`, import.meta.url).href
}

/** Where a package of test/outside is to be imported from. */
export function urlOutside(name: string): string {
  return pathToFileURL(createRequire(join(folder, 'package.json')).resolve(name)).href
}

/** Runs a script of test/outside and returns what it printed. */
export async function runOutside(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', chunk => chunks.push(chunk))
  child.stderr.on('data', chunk => chunks.push(chunk))
  await new Promise(resolve => child.on('close', resolve))
  return Buffer.concat(chunks).toString()
}
