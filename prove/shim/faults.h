/* Which calls fail, and how: the control file, shared with the parent and with the process itself. */

enum call { OPEN = 1, WRITE, SYNC, DATASYNC, TRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, LINK, CLOSE, READ, UNMODELLED };
enum fault { NO_FAULT, FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT, FAULT_KILL, FAULT_KILL_AFTER, FAULT_LIE, FAULT_DROP };
enum counted { COUNT_CHANGES = 1, COUNT_OPENS = 2, COUNT_READS = 4 };

struct control {
  uint32_t magic, version;
  uint64_t calls, hits, at;
  uint32_t kind, sticky, counts, recording, sync_us, hit_kind, last_kind, unsynced;
  char match[128], hit_path[256], last_path[256];
};

static struct control no_control = {.counts = COUNT_CHANGES, .recording = 1};
static struct control *control = &no_control;

static void find_control(void) {
  const char *path = getenv("HOLDFAST_SHIM_CONTROL");
  if (path == NULL || root_bytes == 0) return;
  int fd = real_open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) give_up("the control file cannot be opened");
  control = real_mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (control == MAP_FAILED || control->version != 1) give_up("the control file is not one of ours");
  real_close(fd);
}

/* Its content is statements of the process, in order with its calls: no part of the disk, never counted. */
static int is_marks(const char *below) { return strcmp(below, "/ACK") == 0; }

#define NO_INDEX UINT32_MAX

/* What is to become of a call: `index` is its number, `fault` what befalls it. */
struct fate {
  uint32_t index;
  enum fault fault;
};

static int befalls(enum fault fault, enum call call) {
  int is_sync = call == SYNC || call == DATASYNC;
  if (fault == FAULT_LIE || fault == FAULT_DROP) return is_sync;
  /* A full disk lets go of files. */
  if (fault == FAULT_ENOSPC) return call != UNLINK && call != RMDIR && call != READ;
  return fault != NO_FAULT;
}

static struct fate fate_of(enum call call, const char *path, int is_change) {
  struct fate fate = {NO_INDEX, NO_FAULT};
  uint32_t wanted = call == READ ? COUNT_READS : call == OPEN && !is_change ? COUNT_OPENS : COUNT_CHANGES;
  if (is_marks(path) || !(control->counts & wanted)) return fate;
  if (control->match[0] != 0 && strstr(path, control->match) == NULL) return fate;
  uint64_t index = __atomic_fetch_add(&control->calls, 1, __ATOMIC_SEQ_CST);
  fate.index = index;
  control->last_kind = call;
  snprintf(control->last_path, sizeof control->last_path, "%s", path);
  if (index < control->at || !befalls(control->kind, call)) return fate;
  /* Once: the first that it can befall. Threads that make calls at once make them in another order each time. */
  uint64_t none = 0;
  if (control->sticky) __atomic_fetch_add(&control->hits, 1, __ATOMIC_SEQ_CST);
  else if (!__atomic_compare_exchange_n(&control->hits, &none, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return fate;
  fate.fault = control->kind;
  /* Half of a write is short; half of anything else is an error. */
  if (fate.fault == FAULT_SHORT && call != WRITE && call != READ) fate.fault = FAULT_EIO;
  control->hit_kind = call;
  snprintf(control->hit_path, sizeof control->hit_path, "%s", path);
  return fate;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Before the call; says whether it fails at once, with errno set. */
static int fails(struct fate fate) {
  if (fate.fault == FAULT_KILL) die();
  if (fate.fault == FAULT_EIO || fate.fault == FAULT_DROP) errno = EIO;
  else if (fate.fault == FAULT_ENOSPC) errno = ENOSPC;
  else return 0;
  return 1;
}
