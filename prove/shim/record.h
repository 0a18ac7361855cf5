/* The trace: records of calls, as README.md draws them. A record goes to the kernel in one write. */

enum flag { ZEROS = 1, CREATED = 2, BEGIN = 4, INJECTED = 8, FOLDER = 16, LIED = 32, DROPPED = 64, TRUNCATED = 128 };

struct record {
  uint32_t bytes;
  uint8_t call, flags;
  uint16_t path_bytes;
  int32_t fd, error;
  uint64_t position, length;
  uint32_t index, extra; /* extra: of a sync its number, of a rename or link the bytes of its second path */
};

static int trace_fd = -1;

static int is_zeros(const char *bytes, size_t length) {
  return length > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static void record(struct record entry, const char *path, const char *second, const char *data) {
  if (trace_fd < 0 || !control->recording) return;
  if (path == NULL) path = "";
  if (second == NULL) second = "";
  int is_left_out = data == NULL || (entry.call == WRITE && is_zeros(data, entry.length));
  if (data != NULL && is_left_out) entry.flags |= ZEROS;
  entry.path_bytes = strlen(path);
  if (entry.call == RENAME || entry.call == LINK) entry.extra = strlen(second);
  struct iovec parts[4] = {
      {&entry, sizeof entry},
      {(void *)path, entry.path_bytes},
      {(void *)second, strlen(second)},
      {(void *)data, is_left_out ? 0 : entry.length},
  };
  entry.bytes = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len + parts[3].iov_len;
  if (real_writev(trace_fd, parts, 4) != (ssize_t)entry.bytes) give_up("the trace cannot be written");
}
