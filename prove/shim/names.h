/* Calls that change the names in folders. */

static int renamed(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  char below[PATH_MAX], second[PATH_MAX];
  const char *source = locate(from_folder, from, below), *target = locate(to_folder, to, second);
  /* Only old kernels lack renameat2, which fails on some file systems: without flags it is not needed. */
#define RENAME_NOW()                                                             \
  (flags == 0 ? real_renameat(from_folder, from, to_folder, to)                  \
              : real_renameat2(from_folder, from, to_folder, to, flags))
  if (source == NULL && target == NULL) return RENAME_NOW();
  if (source == NULL || target == NULL || flags != 0) unmodelled("a rename into or out of the root, or with flags");
  if (source == NULL) source = "";
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(RENAME, source, 0);
  int result = fails(fate) ? -1 : RENAME_NOW();
  done(RENAME, fate, (struct record){.fd = -1}, result, source, target, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return renamed(a, from, b, to, flags); }

static int removed(int folder, const char *path, int flags) {
  char below[PATH_MAX];
  if (locate(folder, path, below) == NULL) return real_unlinkat(folder, path, flags);
  pthread_mutex_lock(&lock);
  enum call call = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
  struct fate fate = fate_of(call, below, 0);
  int result = fails(fate) ? -1 : real_unlinkat(folder, path, flags);
  done(call, fate, (struct record){.fd = -1}, result, below, NULL, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}

int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return removed(folder, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  struct stat now;
  return removed(AT_FDCWD, path, lstat(path, &now) == 0 && S_ISDIR(now.st_mode) ? AT_REMOVEDIR : 0);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  char below[PATH_MAX];
  if (locate(folder, path, below) == NULL) return real_mkdirat(folder, path, mode);
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(MKDIR, below, 0);
  int result = fails(fate) ? -1 : real_mkdirat(folder, path, mode);
  done(MKDIR, fate, (struct record){.fd = -1}, result, below, NULL, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int a, const char *from, int b, const char *to, int flags) {
  char below[PATH_MAX], second[PATH_MAX];
  const char *source = locate(a, from, below), *target = locate(b, to, second);
  if (target == NULL) return real_linkat(a, from, b, to, flags);
  if (source == NULL) unmodelled("a file from outside of the root is given a name in it");
  if (source == NULL) source = "";
  pthread_mutex_lock(&lock);
  struct fate fate = fate_of(LINK, target, 0);
  int result = fails(fate) ? -1 : real_linkat(a, from, b, to, flags);
  done(LINK, fate, (struct record){.fd = -1}, result, source, target, NULL);
  pthread_mutex_unlock(&lock);
  return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
