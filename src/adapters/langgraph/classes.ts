/** Instances of classes that come back as what they were: those of LangChain, of LangGraph and of the language. */
import { Document } from '@langchain/core/documents'
import * as messages from '@langchain/core/messages'
import { DeltaSnapshot } from '@langchain/langgraph-checkpoint'

type Fields = Record<string, unknown>
type Make = (fields: Fields) => object

/** A class of LangGraph that has not been loaded: `loadGraphClasses` does so. */
export class ClassNotLoaded extends Error {}

const MESSAGES = [
  'AIMessage',
  'AIMessageChunk',
  'ChatMessage',
  'ChatMessageChunk',
  'FunctionMessage',
  'FunctionMessageChunk',
  'HumanMessage',
  'HumanMessageChunk',
  'RemoveMessage',
  'SystemMessage',
  'SystemMessageChunk',
  'ToolMessage',
  'ToolMessageChunk',
] as const

const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError]
const ERROR_FIELDS = ['message', 'stack', 'cause', 'errors'] as const

/** What a message has from its class. */
const OF_THE_CLASS = new Set(['lc_kwargs', 'lc_namespace', 'lc_serializable', 'lc_direct_tool_output', 'type'])

// The names are on disk: never change or reuse one.
const makers = new Map<string, Make>()
for (const name of MESSAGES) {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: each of them is named above.
  const Message = messages[name] as unknown as new (fields: Fields) => Fields
  makers.set(name, fields => {
    const message = new Message({ ...fields })
    // What was set on a message after it was made counts, and not what its class makes of it.
    for (const key of Object.keys(fields)) if (!Object.is(message[key], fields[key])) message[key] = fields[key]
    return message
  })
}
makers.set('Document', fields => new Document(fields as { pageContent: string }))
makers.set('DeltaSnapshot', fields => new DeltaSnapshot(fields.value))
for (const Class of ERRORS) {
  makers.set(Class.name, fields => {
    const error = Class === AggregateError ? new AggregateError([]) : new (Class as ErrorConstructor)()
    for (const key of Object.keys(fields)) {
      const enumerable = !(ERROR_FIELDS as readonly string[]).includes(key)
      Object.defineProperty(error, key, { value: fields[key], writable: true, configurable: true, enumerable })
    }
    return error
  })
}

/** The name and the fields of an instance; `undefined` if its class is none of these, or one that extends them. */
export function fieldsOf(value: object): { name: string; fields: Fields } | undefined {
  const { constructor: Class } = value
  if (typeof Class !== 'function') return undefined
  const given = value as Fields
  if (given.lc_serializable === true) return messageFields(given, Class)
  if (typeof given.lg_name === 'string' && given.lg_name === Class.name) return graphFields(given, given.lg_name)
  if (Class.name === 'Document' && typeof given.pageContent === 'string')
    return { name: 'Document', fields: { ...given } }
  const KnownError =
    value instanceof Error ? ERRORS.find(each => each.prototype === Object.getPrototypeOf(value)) : undefined
  if (KnownError === undefined) return undefined
  const fields: Fields = { ...given }
  for (const key of ERROR_FIELDS) if (Object.hasOwn(value, key)) fields[key] = given[key]
  return { name: KnownError.name, fields }
}

/** @throws ClassNotLoaded */
export function instanceOf(name: string, fields: Fields): object {
  const make = makers.get(name)
  if (make === undefined) throw new ClassNotLoaded(name)
  return make(fields)
}

/** The classes of `@langchain/langgraph`: whoever has saved one of their instances has the package. */
export async function loadGraphClasses(): Promise<void> {
  const { Command, Overwrite, Send } = await import('@langchain/langgraph')
  makers.set(
    'Send',
    ({ node, args, timeout }) =>
      new Send(node as string, args, timeout === undefined ? undefined : { timeout: timeout as number }),
  )
  makers.set('Command', fields => new Command(fields))
  makers.set('Overwrite', ({ value }) => new Overwrite(value))
}

function messageFields(value: Fields, Class: object): { name: string; fields: Fields } | undefined {
  // A class that extends one of these without a name of its own would come back as the one that it extends.
  if (!Object.hasOwn(Class, 'lc_name')) return undefined
  const name = (Class as { lc_name(): string }).lc_name()
  const namespace = value.lc_namespace
  const isMessage = Array.isArray(namespace) && namespace.join('/') === 'langchain_core/messages' && makers.has(name)
  if (!isMessage) return undefined
  const fields: Fields = {}
  for (const key of Object.keys(value)) {
    if (!OF_THE_CLASS.has(key) && value[key] !== undefined && !isDefault(key, value[key])) fields[key] = value[key]
  }
  const given = value.lc_kwargs as Fields
  for (const key of Object.keys(given)) {
    // `contentBlocks` is another name of the content.
    if (given[key] !== undefined && !(key in value) && key !== 'contentBlocks') fields[key] = given[key]
  }
  return { name, fields }
}

/** Whether a message has it from its class if it is not given it. */
function isDefault(key: string, value: unknown): boolean {
  if (key === 'tool_calls' || key === 'invalid_tool_calls') return Array.isArray(value) && value.length === 0
  const isOfAll = key === 'additional_kwargs' || key === 'response_metadata'
  return isOfAll && typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function graphFields(value: Fields, name: string): { name: string; fields: Fields } | undefined {
  switch (name) {
    case 'DeltaSnapshot':
    case 'Overwrite':
      return { name, fields: { value: value.value } }
    case 'Send': {
      const { lg_name: _name, ...fields } = value
      return { name, fields }
    }
    case 'Command': {
      // What it was made from, which it keeps under a symbol.
      const [symbol] = Object.getOwnPropertySymbols(value)
      const fields = symbol === undefined ? {} : { ...(value as unknown as Record<symbol, Fields>)[symbol] }
      for (const key of ['graph', 'resume', 'update']) {
        if (!Object.is(fields[key], value[key])) fields[key] = value[key]
      }
      return { name, fields }
    }
    default:
      return undefined
  }
}
