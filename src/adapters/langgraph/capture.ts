/**
 * From values to trees. It is done within the call, so that what a graph does to its objects afterwards changes nothing.
 * A value that would not come back as it was is refused, with the way to it.
 */
import { types } from 'node:util'
import { WrongCallError } from '../../index.js'
import { fieldsOf } from './classes.js'
import { setProperty, type Tree, type TreeObject } from './tree.js'

/** A Map takes three levels of what is stored, which may have 500. */
const DEPTH_MAX = 150

const KEEP_SERDE = 'or give the saver a serializer of your own: new HoldfastSaver(memory, { serde })'

/** A step of the way to something, as one would write it in a program. */
type Step = string | number

/** The tree of a value. `what` begins the way to it, such as `channel "messages"`. VALUE_UNSUPPORTED, VALUE_CYCLIC. */
export function capture(value: unknown, what: string): Tree {
  return captured(value, [what], [])
}

function captured(value: unknown, path: Step[], within: object[]): Tree {
  switch (typeof value) {
    case 'function':
      throw refused(
        path,
        `a function${value.name === '' ? '' : ` (${value.name.slice(0, 60)})`}`,
        'leave it out of the state',
      )
    case 'symbol':
      throw refused(path, 'a symbol', 'use a string')
    case 'object':
      return value === null ? null : capturedObject(value, path, within)
    default:
      return value
  }
}

function capturedObject(value: object, path: Step[], within: object[]): Tree {
  if (within.includes(value)) {
    throw new WrongCallError('VALUE_CYCLIC', {
      message: `${pathText(path)} contains itself`,
      next: 'Put an id in place of the reference that points back',
    })
  }
  if (within.length >= DEPTH_MAX) throw refused(path, `nested deeper than ${DEPTH_MAX} levels`, 'make it flatter')
  within.push(value)
  const tree = capturedKind(value, path, within)
  within.pop()
  return tree
}

function capturedKind(value: object, path: Step[], within: object[]): Tree {
  const inner = (part: unknown, step: Step): Tree => {
    path.push(step)
    const tree = captured(part, path, within)
    path.pop()
    return tree
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (Array.isArray(value) && prototype === Array.prototype) {
    if (!isDense(value)) {
      throw refused(path, 'an array with holes or properties of its own', 'make a plain array of it')
    }
    return value.map(inner)
  }
  if (prototype === Object.prototype || prototype === null) {
    if (Object.getOwnPropertySymbols(value).length > 0)
      throw refused(path, 'an object with symbols as keys', 'use strings')
    if (prototype === null) return { $: ['n', capturedPairs(value, inner)] }
    return Object.hasOwn(value, '$') ? { $: ['o', capturedPairs(value, inner)] } : capturedFields(value, inner)
  }
  if (prototype === Map.prototype) {
    return {
      $: [
        'm',
        [...(value as Map<unknown, unknown>)].flatMap(([key, each]) => [
          inner(key, '(a key)'),
          inner(each, '(a value)'),
        ]),
      ],
    }
  }
  if (prototype === Set.prototype)
    return { $: ['s', [...(value as Set<unknown>)].map(each => inner(each, '(an item)'))] }
  const leaf = leafOf(value, prototype as object)
  if (leaf !== undefined) return leaf
  const known = fieldsOf(value)
  if (known !== undefined) return { $: ['i', known.name, capturedPairs(known.fields, inner)] }
  if (types.isPromise(value)) throw refused(path, 'a Promise', 'await it first')
  throw refused(path, `an instance of the class ${nameOf(prototype)}`, `make a plain object of it, ${KEEP_SERDE}`)
}

function capturedFields(object: object, inner: (part: unknown, step: Step) => Tree): TreeObject {
  const fields: TreeObject = {}
  for (const key of Object.keys(object)) setProperty(fields, key, inner((object as Record<string, unknown>)[key], key))
  return fields
}

/** Key, value, key, value … */
function capturedPairs(object: object, inner: (part: unknown, step: Step) => Tree): Tree[] {
  const pairs: Tree[] = []
  for (const key of Object.keys(object)) pairs.push(key, inner((object as Record<string, unknown>)[key], key))
  return pairs
}

/** Without holes, and without properties beside its items. */
function isDense(array: readonly unknown[]): boolean {
  const keys = Object.keys(array)
  // Indices come first, in their order: if the last key is the last index, all of them are there.
  const isFull = keys.length === array.length && (keys.length === 0 || keys.at(-1) === String(keys.length - 1))
  return isFull && Object.getOwnPropertySymbols(array).length === 0
}

/** A copy of what a map keeps as it is. */
function leafOf(value: object, prototype: object): Tree | undefined {
  if (prototype === Date.prototype) return new Date(Number(value))
  if (prototype === RegExp.prototype) {
    const copy = new RegExp(value as RegExp)
    copy.lastIndex = (value as RegExp).lastIndex
    return copy
  }
  if (value instanceof ArrayBuffer) return value.slice(0)
  if (!ArrayBuffer.isView(value)) return undefined
  if (value instanceof DataView) return new DataView(bytesOf(value))
  if (prototype === Buffer.prototype) return Buffer.from(bytesOf(value))
  const own = Object.getPrototypeOf(prototype) === Object.getPrototypeOf(Uint8Array.prototype)
  // A class of somebody's own that extends a typed array is refused.
  return own ? (value as Uint8Array).slice() : undefined
}

function bytesOf(view: ArrayBufferView): ArrayBuffer {
  const copy = new ArrayBuffer(view.byteLength)
  new Uint8Array(copy).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  return copy
}

function nameOf(prototype: unknown): string {
  const maker = (prototype as { constructor?: { name?: unknown } }).constructor
  return typeof maker?.name === 'string' && maker.name !== '' ? maker.name.slice(0, 60) : '(anonymous)'
}

function refused(path: readonly Step[], found: string, next: string): WrongCallError {
  return new WrongCallError('VALUE_UNSUPPORTED', {
    message: `${pathText(path)} is ${found}, which would not come back as it was`,
    next: `Nothing of this call was written: ${next}`,
  })
}

function pathText([what, ...steps]: readonly Step[]): string {
  const shown = steps.slice(0, 20).map(step => {
    if (typeof step === 'number') return `[${step}]`
    if (step.startsWith('(')) return ` ${step}`
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]{0,60}$/u.test(step)
      ? `.${step}`
      : `[${JSON.stringify(step.slice(0, 60))}]`
  })
  return `${what}${shown.join('')}${steps.length > 20 ? '…' : ''}`
}
