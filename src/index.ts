/** Holdfast: keeps what an AI agent must remember, each write as durable as it says. */
export { AgentMemory, type MemoryScope } from './agent-memory.js'
export type { CompressionName } from './codec/compression.js'
export type { Codec } from './codec/user-codec.js'
export {
  AgentMemoryError,
  type ErrorCode,
  type Fate,
  InvalidValueError,
  UnsettledWriteError,
  type ValueIssue,
  VersionConflictError,
  type WrongCallCode,
  WrongCallError,
} from './core/errors.js'
export type { Key } from './core/key.js'
export type { StoreOpener, ThreadOpener } from './engine/config.js'
export type { DeadLetter, DeadWrite } from './engine/dead-letter.js'
export type { DeadLetters, ReplayReport } from './engine/dead-letters.js'
export type { CloseReport } from './engine/engine.js'
export type { MemoryEvents, WarningCode } from './engine/events.js'
export type { EngineState, MemoryStatus } from './engine/inspection.js'
export type { RecoveryReport } from './engine/recovery.js'
export type { WriteResult } from './engine/write.js'
export type { LoadContext } from './load-options.js'
export { memoryLayers } from './memory-layers.js'
export type {
  DeleteManyOptions,
  MapEntry,
  MemoryMap,
  RangeOptions,
  ReadOptions,
  SetManyOptions,
  UpdateOptions,
  UpdateResult,
} from './memory-map.js'
export type { AgentMemoryOptions, BatchOptions, DeleteOptions, MapOptions, WriteOptions } from './options.js'
export { chooseDurability, type DataClass, type KnownDataClass } from './policy/data-class.js'
export type { Durability, Milestone } from './policy/durability.js'
export { anySegment, type KeyPattern } from './policy/key-pattern.js'
export type { AtRisk, MaxLoss } from './policy/loss-budget.js'
export type { DurabilityDecision } from './policy/map-policy.js'
export type { DurabilityRule, MapRule } from './policy/rules.js'
export type { BlobSource } from './shapes/blob-source.js'
export type { BlobEntry, BlobStat, Blobs, BlobsOptions, PutOptions, PutResult } from './shapes/blobs.js'
export type {
  AppendedMessage,
  ConversationAppendOptions,
  ConversationAppendResult,
  ConversationListOptions,
  ConversationMessage,
  Conversations,
} from './shapes/conversations.js'
export type { FollowOptions } from './shapes/follow.js'
export type { ListBounds } from './shapes/lists.js'
export type {
  AppendOptions,
  ConversationsOptions,
  PreferencesOptions,
  ReadRange,
  SequenceOptions,
  TrimOptions,
  TrimTarget,
} from './shapes/options.js'
export type { Preferences } from './shapes/preferences.js'
export type { AppendResult, Sequence, SequenceItem, TrimResult } from './shapes/sequence.js'
export type { BlobBytesOptions, BlobRange, StoredBlob } from './shapes/stored-blob.js'
export type { StandardSchema } from './standard-schema.js'
export type { FilesStoreChoice, PostgresStoreChoice } from './store-opener.js'
export type {
  Change,
  DataStore,
  Mark,
  Page,
  StoreCapabilities,
  StoredEntry,
  StoreIdentity,
} from './stores/data-store.js'
export type { CodecName, CompressionOptions, SchemaOptions, ValueOptions } from './value-options.js'
export type { WriteBatch } from './write-batch.js'
export { type BatchesOptions, type BatchProgress, IncompleteBatchError, type ManyResult } from './write-many.js'
