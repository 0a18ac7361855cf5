/** Holdfast: keeps what an AI agent must remember, each write as durable as it says. */
export { AgentMemory, type BatchOptions, type MemoryScope } from './agent-memory.js'
export {
  AgentMemoryError,
  type ErrorCode,
  type Fate,
  UnsettledWriteError,
  VersionConflictError,
  type WrongCallCode,
  WrongCallError,
} from './core/errors.js'
export type { Key } from './core/key.js'
export type { StoreOpener } from './engine/config.js'
export type { CloseReport } from './engine/engine.js'
export type { MemoryEvents, WarningCode } from './engine/events.js'
export type { EngineState, MemoryStatus } from './engine/inspection.js'
export type { RecoveryReport } from './engine/recovery.js'
export type { WriteResult } from './engine/write.js'
export type {
  MapEntry,
  MemoryMap,
  RangeOptions,
  ReadOptions,
  UpdateOptions,
  UpdateResult,
} from './memory-map.js'
export type { AgentMemoryOptions, DeleteOptions, MapOptions, WriteOptions } from './options.js'
export type { Durability, Milestone } from './policy/durability.js'
export type { AtRisk, MaxLoss } from './policy/loss-budget.js'
export type { BlobSource } from './shapes/blob-source.js'
export type { BlobEntry, BlobStat, Blobs, BlobsOptions, PutOptions, PutResult } from './shapes/blobs.js'
export type { BlobBytesOptions, BlobRange, StoredBlob } from './shapes/stored-blob.js'
export type {
  Change,
  DataStore,
  Mark,
  Page,
  StoreCapabilities,
  StoredEntry,
  StoreIdentity,
} from './stores/data-store.js'
export type { BatchDeleteOptions, BatchWriteOptions, WriteBatch } from './write-batch.js'
