/* The functions of the C library, which the shim's own stand in front of. */
#include <dlfcn.h>

#define REAL(type, name, arguments) static type(*real_##name) arguments
REAL(int, open, (const char *, int, ...));
REAL(int, openat, (int, const char *, int, ...));
REAL(int, close, (int));
REAL(long, syscall, (long, ...));
REAL(ssize_t, write, (int, const void *, size_t));
REAL(ssize_t, pwrite, (int, const void *, size_t, off_t));
REAL(ssize_t, writev, (int, const struct iovec *, int));
REAL(ssize_t, pwritev, (int, const struct iovec *, int, off_t));
REAL(ssize_t, pwritev2, (int, const struct iovec *, int, off_t, int));
REAL(ssize_t, read, (int, void *, size_t));
REAL(ssize_t, pread, (int, void *, size_t, off_t));
REAL(ssize_t, readv, (int, const struct iovec *, int));
REAL(ssize_t, preadv, (int, const struct iovec *, int, off_t));
REAL(int, fsync, (int));
REAL(int, fdatasync, (int));
REAL(int, ftruncate, (int, off_t));
REAL(int, truncate, (const char *, off_t));
REAL(int, fallocate, (int, int, off_t, off_t));
REAL(int, posix_fallocate, (int, off_t, off_t));
REAL(int, renameat2, (int, const char *, int, const char *, unsigned));
REAL(int, renameat, (int, const char *, int, const char *));
REAL(int, unlinkat, (int, const char *, int));
REAL(int, mkdirat, (int, const char *, mode_t));
REAL(int, linkat, (int, const char *, int, const char *, int));
REAL(FILE *, fopen, (const char *, const char *));
REAL(int, fileno, (FILE *));
REAL(void *, mmap, (void *, size_t, int, int, int, off_t));

static void give_up(const char *why) {
  dprintf(2, "holdfast shim: %s\n", why);
  abort();
}

static void *found(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (function == NULL) give_up(name);
  return function;
}

static void find_real(void) {
#define FIND(name) real_##name = found(#name)
  FIND(open), FIND(openat), FIND(close), FIND(write), FIND(pwrite), FIND(writev), FIND(pwritev), FIND(pwritev2);
  FIND(read), FIND(pread), FIND(readv), FIND(preadv), FIND(fsync), FIND(fdatasync), FIND(ftruncate), FIND(truncate);
  FIND(fallocate), FIND(posix_fallocate), FIND(renameat2), FIND(renameat), FIND(unlinkat), FIND(mkdirat);
  FIND(linkat), FIND(mmap), FIND(syscall), FIND(fopen), FIND(fileno);
}
