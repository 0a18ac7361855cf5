/*
 * Stands between a process and its file calls, by LD_PRELOAD: records those under one folder, in one order over all
 * threads and with their data, and makes chosen ones fail. README.md is its manual: environment, control file, trace.
 *
 * Always true here:
 * - a recorded call and its record are one step under one lock, so the trace has the order in which the kernel saw the
 *   calls. A sync is two records, begin and end, and other calls may come between: what it covers is what came before
 *   its begin;
 * - a record goes to the kernel in one write, so a kill leaves whole records, and at most the last one torn;
 * - calls on other files pass through untouched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "real.h"

static char root[PATH_MAX];
static size_t root_bytes;

#include "faults.h"
#include "record.h"

/* What a write has replaced, for a sync that drops what it should have kept. */
struct undo {
  struct undo *next;
  off_t position;
  size_t length, kept; /* of `length` bytes the first `kept` were in the file before */
  char bytes[];
};

struct file {
  char *path; /* below the root; NULL if the descriptor is none of ours */
  int is_folder, is_marks, appends;
  dev_t device;
  ino_t inode;
  struct undo *undo;
};

#define FILES_MAX 65536
static struct file files[FILES_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t syncs;

static void start(void) {
  find_real();
  const char *folder = getenv("HOLDFAST_SHIM_ROOT");
  if (folder != NULL) {
    root_bytes = strlen(folder);
    if (folder[0] != '/' || root_bytes >= sizeof root) give_up("HOLDFAST_SHIM_ROOT is no absolute path");
    strcpy(root, folder);
    while (root_bytes > 1 && root[root_bytes - 1] == '/') root[--root_bytes] = 0;
  }
  find_control();
  const char *trace = getenv("HOLDFAST_SHIM_TRACE");
  if (trace == NULL || root_bytes == 0) return;
  trace_fd = real_open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (trace_fd < 0) give_up("the trace cannot be opened");
}

__attribute__((constructor)) static void started(void) { pthread_once(&once, start); }

static struct file *tracked(int fd) {
  started();
  if (fd < 0 || fd >= FILES_MAX || files[fd].path == NULL) return NULL;
  /* A close within libc is not seen, and the number may belong to something else by now. */
  struct stat now;
  int error = errno;
  int is_same = fstat(fd, &now) == 0 && now.st_dev == files[fd].device && now.st_ino == files[fd].inode;
  errno = error;
  return is_same ? &files[fd] : NULL;
}

/* The path below the root into `below`; NULL if it is elsewhere. */
static const char *locate(int folder, const char *path, char *below) {
  started();
  if (root_bytes == 0 || path == NULL) return NULL;
  char whole[2 * PATH_MAX], base[PATH_MAX] = "", link[64];
  if (path[0] != '/') {
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t count = readlink(folder == AT_FDCWD ? "/proc/self/cwd" : link, base, sizeof base - 1);
    if (count < 0) return NULL;
    base[count] = 0;
  }
  snprintf(whole, sizeof whole, "%s/%s", base, path);
  /* Slashes that say nothing, and names that are a dot. */
  char *to = whole;
  for (char *from = whole; *from != 0;) {
    if (from[0] == '/' && (from[1] == '/' || from[1] == 0)) from += 1;
    else if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || from[2] == 0)) from += 2;
    else *to++ = *from++;
  }
  *to = 0;
  if (strncmp(whole, root, root_bytes) != 0 || (whole[root_bytes] != '/' && whole[root_bytes] != 0)) return NULL;
  snprintf(below, PATH_MAX, "%s", whole[root_bytes] == 0 ? "/" : whole + root_bytes);
  return below;
}

/* After the call: records it, and dies if that is its fate. */
static void done(enum call call, struct fate fate, struct record entry, long result, const char *path,
                 const char *second, const char *data) {
  int error = errno;
  entry.call = call;
  entry.index = fate.index;
  entry.error = result < 0 ? error : 0;
  if (fate.fault != NO_FAULT) entry.flags |= INJECTED;
  record(entry, path, second, data);
  if (fate.fault == FAULT_KILL_AFTER) die();
  errno = error;
}

static void unmodelled(const char *what) {
  pthread_mutex_lock(&lock);
  record((struct record){.call = UNMODELLED, .fd = -1, .index = NO_INDEX}, what, NULL, NULL);
  pthread_mutex_unlock(&lock);
}

static void forget_undo(struct file *file) {
  for (struct undo *each = file->undo, *next; each != NULL; each = next) {
    next = each->next;
    free(each);
  }
  file->undo = NULL;
}

/* ---- open and close ---- */

static int opened(int folder, const char *path, int flags, mode_t mode) {
  char below[PATH_MAX];
  if (locate(folder, path, below) == NULL) return real_openat(folder, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat before;
  int was_there = fstatat(folder, path, &before, 0) == 0;
  struct fate fate = fate_of(OPEN, below, (flags & (O_CREAT | O_TRUNC)) != 0);
  int fd = fails(fate) ? -1 : real_openat(folder, path, flags, mode);
  struct record entry = {.fd = fd, .position = flags};
  if (fd >= 0) {
    struct stat now;
    if (fd >= FILES_MAX || fstat(fd, &now) != 0) give_up("too many files are open");
    files[fd] = (struct file){
        .path = strdup(below),
        .is_folder = S_ISDIR(now.st_mode),
        .is_marks = is_marks(below),
        .appends = (flags & O_APPEND) != 0,
        .device = now.st_dev,
        .inode = now.st_ino,
    };
    if (files[fd].is_folder) entry.flags |= FOLDER;
    if (!was_there) entry.flags |= CREATED;
    else if ((flags & O_TRUNC) && before.st_size > 0) entry.flags |= TRUNCATED;
  }
  done(OPEN, fate, entry, fd, below, NULL, NULL);
  pthread_mutex_unlock(&lock);
  if (fd >= 0 && (flags & (O_DSYNC | O_DIRECT))) unmodelled("a file is opened with O_DSYNC or O_DIRECT");
  return fd;
}

#define MODE_OF(flags)                      \
  mode_t mode = 0;                          \
  if ((flags) & (O_CREAT | __O_TMPFILE)) {  \
    va_list arguments;                      \
    va_start(arguments, flags);             \
    mode = va_arg(arguments, mode_t);       \
    va_end(arguments);                      \
  }

int open(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE_OF(flags) return opened(folder, path, flags, mode); }
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
  struct file *file = tracked(fd);
  if (file == NULL) return real_close(fd);
  pthread_mutex_lock(&lock);
  char *path = file->path;
  forget_undo(file);
  file->path = NULL;
  int result = real_close(fd);
  done(CLOSE, (struct fate){NO_INDEX, NO_FAULT}, (struct record){.fd = fd}, result, path, NULL, NULL);
  free(path);
  pthread_mutex_unlock(&lock);
  return result;
}

/* libuv closes by a system call of its own making. */
long syscall(long number, ...) {
  va_list arguments;
  long each[6];
  va_start(arguments, number);
  for (int index = 0; index < 6; index++) each[index] = va_arg(arguments, long);
  va_end(arguments);
  started();
  if (number == SYS_close) return close(each[0]);
  return real_syscall(number, each[0], each[1], each[2], each[3], each[4], each[5]);
}

/* ---- data ---- */

/* The same file through another descriptor: the program's own may not read, or may only append. */
static int again(int fd) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int other = real_open(link, O_RDWR | O_CLOEXEC);
  if (other < 0) give_up("a file cannot be opened again");
  return other;
}

static void remember(struct file *file, int fd, off_t position, size_t length) {
  struct undo *undo = malloc(sizeof *undo + length);
  if (undo == NULL) give_up("no memory");
  int other = again(fd);
  ssize_t kept = real_pread(other, undo->bytes, length, position);
  real_close(other);
  undo->next = file->undo;
  undo->position = position;
  undo->length = length;
  undo->kept = kept < 0 ? 0 : kept;
  file->undo = undo;
}

/* A write of `length` bytes, at `at` if that is not negative. */
static ssize_t written(int fd, struct file *file, const char *bytes, size_t length, off_t at) {
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(WRITE, file->path, 0);
  size_t taken = fate.fault == FAULT_SHORT && length > 1 ? length / 2 : length;
  off_t position = at;
  struct stat now;
  if (file->appends && fstat(fd, &now) == 0) position = now.st_size;
  else if (at < 0) position = lseek(fd, 0, SEEK_CUR);
  ssize_t result = -1;
  if (!fails(fate)) {
    if (control->kind == FAULT_DROP && !file->is_marks) remember(file, fd, position, taken);
    result = at < 0 ? real_write(fd, bytes, taken) : real_pwrite(fd, bytes, taken, at);
  }
  struct record entry = {.fd = fd, .position = position, .length = result < 0 ? 0 : result};
  done(WRITE, fate, entry, result, file->path, NULL, bytes);
  pthread_mutex_unlock(&lock);
  return result;
}

static ssize_t gathered(int fd, struct file *file, const struct iovec *parts, int count, off_t at) {
  if (count == 1) return written(fd, file, parts[0].iov_base, parts[0].iov_len, at);
  size_t length = 0, filled = 0;
  for (int index = 0; index < count; index++) length += parts[index].iov_len;
  char *bytes = malloc(length + 1);
  if (bytes == NULL) give_up("no memory");
  for (int index = 0; index < count; filled += parts[index++].iov_len)
    memcpy(bytes + filled, parts[index].iov_base, parts[index].iov_len);
  ssize_t result = written(fd, file, bytes, length, at);
  int error = errno;
  free(bytes);
  errno = error;
  return result;
}

#define TRACKED_OR(pass)            \
  struct file *file = tracked(fd);  \
  if (file == NULL) return pass

ssize_t write(int fd, const void *bytes, size_t length) {
  TRACKED_OR(real_write(fd, bytes, length));
  return written(fd, file, bytes, length, -1);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  TRACKED_OR(real_pwrite(fd, bytes, length, at));
  return written(fd, file, bytes, length, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return pwrite(fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
  TRACKED_OR(real_writev(fd, parts, count));
  return gathered(fd, file, parts, count, -1);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  TRACKED_OR(real_pwritev(fd, parts, count, at));
  return gathered(fd, file, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return pwritev(fd, parts, count, at); }
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
  TRACKED_OR(real_pwritev2(fd, parts, count, at, flags));
  if (flags != 0) unmodelled("pwritev2 has flags");
  return gathered(fd, file, parts, count, at);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
  return pwritev2(fd, parts, count, at, flags);
}

/* Reads are counted if that is asked for, and never recorded. Says how many bytes may be read; -1 for an error. */
static ssize_t readable(struct file *file, size_t length) {
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(READ, file->path, 0);
  pthread_mutex_unlock(&lock);
  if (fails(fate)) return -1;
  /* A read changes nothing: that the process dies after it is the same as before it. */
  if (fate.fault == FAULT_KILL_AFTER) die();
  return fate.fault == FAULT_SHORT && length > 1 ? length / 2 : length;
}

ssize_t read(int fd, void *bytes, size_t length) {
  TRACKED_OR(real_read(fd, bytes, length));
  ssize_t wanted = readable(file, length);
  return wanted < 0 ? -1 : real_read(fd, bytes, wanted);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
  TRACKED_OR(real_pread(fd, bytes, length, at));
  ssize_t wanted = readable(file, length);
  return wanted < 0 ? -1 : real_pread(fd, bytes, wanted, at);
}
ssize_t pread64(int fd, void *bytes, size_t length, off_t at) { return pread(fd, bytes, length, at); }
ssize_t readv(int fd, const struct iovec *parts, int count) {
  TRACKED_OR(real_readv(fd, parts, count));
  return readable(file, 0) < 0 ? -1 : real_readv(fd, parts, count);
}
ssize_t preadv(int fd, const struct iovec *parts, int count, off_t at) {
  TRACKED_OR(real_preadv(fd, parts, count, at));
  return readable(file, 0) < 0 ? -1 : real_preadv(fd, parts, count, at);
}
ssize_t preadv64(int fd, const struct iovec *parts, int count, off_t at) { return preadv(fd, parts, count, at); }

/* What was written since the last sync is as it was before, with zeros where the file ended: as if the kernel had
 * called its pages clean and let go of them. The size stays. */
static void drop(int fd, struct file *file) {
  if (file->undo == NULL) return;
  int other = again(fd);
  for (struct undo *each = file->undo; each != NULL; each = each->next) {
    memset(each->bytes + each->kept, 0, each->length - each->kept);
    ssize_t count = real_pwrite(other, each->bytes, each->length, each->position);
    if (count != (ssize_t)each->length) give_up("written data cannot be dropped");
  }
  real_close(other);
  forget_undo(file);
}

static int synced(enum call call, int fd, struct file *file) {
  struct record entry = {.fd = fd, .flags = file->is_folder ? FOLDER : 0};
  int result = 0;
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(call, file->path, 0);
  entry.extra = ++syncs;
  if (fate.fault == FAULT_LIE) entry.flags |= LIED;
  else if (fails(fate)) {
    result = -1;
    if (fate.fault == FAULT_DROP) drop(fd, file), entry.flags |= DROPPED, errno = EIO;
  } else {
    struct record begin = entry;
    begin.flags |= BEGIN;
    done(call, (struct fate){fate.index, NO_FAULT}, begin, 0, file->path, NULL, NULL);
    pthread_mutex_unlock(&lock);
    if (control->sync_us > 0) usleep(control->sync_us);
    if (!control->unsynced) result = call == SYNC ? real_fsync(fd) : real_fdatasync(fd);
    pthread_mutex_lock(&lock);
    if (result == 0) forget_undo(file);
  }
  done(call, fate, entry, result, file->path, NULL, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) {
  TRACKED_OR(real_fsync(fd));
  return synced(SYNC, fd, file);
}
int fdatasync(int fd) {
  TRACKED_OR(real_fdatasync(fd));
  return synced(DATASYNC, fd, file);
}

int ftruncate(int fd, off_t size) {
  TRACKED_OR(real_ftruncate(fd, size));
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(TRUNCATE, file->path, 0);
  int result = fails(fate) ? -1 : real_ftruncate(fd, size);
  done(TRUNCATE, fate, (struct record){.fd = fd, .position = size}, result, file->path, NULL, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }
int truncate(const char *path, off_t size) {
  char below[PATH_MAX];
  if (locate(AT_FDCWD, path, below) != NULL) unmodelled("truncate of a path");
  return real_truncate(path, size);
}
int truncate64(const char *path, off_t size) { return truncate(path, size); }
int fallocate(int fd, int mode, off_t at, off_t length) {
  if (tracked(fd) != NULL) unmodelled("fallocate");
  return real_fallocate(fd, mode, at, length);
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }
int posix_fallocate(int fd, off_t at, off_t length) {
  if (tracked(fd) != NULL) unmodelled("posix_fallocate");
  return real_posix_fallocate(fd, at, length);
}
int posix_fallocate64(int fd, off_t at, off_t length) { return posix_fallocate(fd, at, length); }
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t at) {
  if (tracked(fd) != NULL && (flags & MAP_SHARED) && (protection & PROT_WRITE)) unmodelled("a file is mapped to be written");
  return real_mmap(address, length, protection, flags, fd, at);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t at) {
  return mmap(address, length, protection, flags, fd, at);
}

#include "names.h"
#include "streams.h"
