/*
 * C's FILE, whose calls libc makes within itself: a stream on a file below the root is given functions of ours to read
 * and write with. LevelDB writes its files through such streams.
 */

struct stream {
  FILE *stream;
  int fd;
};

#define STREAMS_MAX 4096
static struct stream streams[STREAMS_MAX];
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t stream_read(void *cookie, char *bytes, size_t length) {
  return read(((struct stream *)cookie)->fd, bytes, length);
}

/* Of a stream, zero bytes written say that there was an error. */
static ssize_t stream_write(void *cookie, const char *bytes, size_t length) {
  ssize_t count = write(((struct stream *)cookie)->fd, bytes, length);
  return count < 0 ? 0 : count;
}

static int stream_seek(void *cookie, off64_t *position, int whence) {
  off_t result = lseek(((struct stream *)cookie)->fd, *position, whence);
  if (result < 0) return -1;
  *position = result;
  return 0;
}

static int stream_close(void *cookie) {
  struct stream *entry = cookie;
  int fd = entry->fd;
  pthread_mutex_lock(&streams_lock);
  entry->stream = NULL;
  pthread_mutex_unlock(&streams_lock);
  return close(fd);
}

static int flags_of(const char *mode) {
  int both = strchr(mode, '+') != NULL;
  int more = (strchr(mode, 'e') != NULL ? O_CLOEXEC : 0) | (strchr(mode, 'x') != NULL ? O_EXCL : 0);
  if (mode[0] == 'r') return (both ? O_RDWR : O_RDONLY) | more;
  return (both ? O_RDWR : O_WRONLY) | O_CREAT | (mode[0] == 'a' ? O_APPEND : O_TRUNC) | more;
}

FILE *fopen(const char *path, const char *mode) {
  char below[PATH_MAX];
  if (locate(AT_FDCWD, path, below) == NULL) return real_fopen(path, mode);
  int fd = opened(AT_FDCWD, path, flags_of(mode), 0666);
  if (fd < 0) return NULL;
  pthread_mutex_lock(&streams_lock);
  struct stream *entry = streams;
  while (entry < streams + STREAMS_MAX && entry->stream != NULL) entry += 1;
  if (entry == streams + STREAMS_MAX) give_up("too many streams are open");
  entry->fd = fd;
  cookie_io_functions_t functions = {stream_read, stream_write, stream_seek, stream_close};
  entry->stream = fopencookie(entry, mode, functions);
  if (entry->stream == NULL) give_up("a stream cannot be made");
  /* As a stream of libc has it: what is gathered into one write stays the same. */
  setvbuf(entry->stream, NULL, _IOFBF, 4096);
  pthread_mutex_unlock(&streams_lock);
  return entry->stream;
}
FILE *fopen64(const char *path, const char *mode) { return fopen(path, mode); }

int fileno(FILE *stream) {
  started();
  int fd = -1;
  pthread_mutex_lock(&streams_lock);
  for (struct stream *entry = streams; fd < 0 && entry < streams + STREAMS_MAX; entry++)
    if (entry->stream == stream) fd = entry->fd;
  pthread_mutex_unlock(&streams_lock);
  return fd < 0 ? real_fileno(stream) : fd;
}
int fileno_unlocked(FILE *stream) { return fileno(stream); }
