/**
 * Validators of any library that speaks Standard Schema, version 1 (https://standardschema.dev): Zod, Valibot, ArkType
 * and others. Its types are made to be copied; these are the parts that are used here.
 */
import { propertyStep } from './codec/refusal.js'
import { InvalidValueError, type ValueIssue, WrongCallError } from './core/errors.js'

/** A validator. `Input` is what it takes, `Output` what it makes of it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] }

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

// A message names so many issues; the error has all of them.
const ISSUES_TOLD = 3

/**
 * What the schema makes of a value, to be stored.
 *
 * @throws InvalidValueError VALUE_INVALID with the issues; WrongCallError INVALID_OPTION if the schema is asynchronous
 */
export function validate<Output>(schema: StandardSchema<unknown, Output>, value: unknown, mapName: string): Output {
  const result = schema['~standard'].validate(value)
  if (isThenable(result)) throw asynchronous(result, mapName)
  const { issues } = result as { issues?: readonly Issue[] }
  if (issues === undefined) return (result as { value: Output }).value
  const found = issues.map(issueOf)
  const told = found.slice(0, ISSUES_TOLD).map(({ path, message }) => `value${path.map(stepText).join('')}: ${message}`)
  const rest = found.length > told.length ? ` (and ${found.length - told.length} more)` : ''
  throw new InvalidValueError({
    message: `The schema of the map "${mapName}" refuses the value: ${told.join('; ')}${rest}`,
    next: 'Give a value that fits the schema; nothing was written',
    issues: found,
  })
}

function issueOf({ message, path = [] }: Issue): ValueIssue {
  return { message, path: path.map(step => (typeof step === 'object' ? step.key : step)) }
}

function stepText(step: PropertyKey): string {
  return typeof step === 'symbol' ? `[${String(step)}]` : propertyStep(step)
}

/** A library may have promises of its own. */
function isThenable(result: object): result is PromiseLike<unknown> {
  return 'then' in result && typeof result.then === 'function'
}

function asynchronous(result: PromiseLike<unknown>, mapName: string): WrongCallError {
  result.then(undefined, () => {})
  return new WrongCallError('INVALID_OPTION', {
    message: `The schema of the map "${mapName}" has answered with a promise`,
    next: 'Give a schema without asynchronous checks, as a write has its place in the order before its call returns; check before you write',
  })
}
