// A disk that forgets: loaded into a process (LD_PRELOAD), it writes down what would be lost by a power cut.
//
//   process ── write ──▶ layer ── what the bytes were before ─────▶ JOURNAL/journal.N     (read by journal.ts)
//                          └───── the write itself ──────────────▶ FOLDER/…
//   process ── fsync ──▶ layer ── the sync itself, and when done
//                          └───── "synced: all before its begin" ▶ JOURNAL/journal.N
//
// Nothing is held back: the files are what they are without the layer. Once the process was killed, power-loss-disk.ts
// takes back what no sync had made durable, some or all of it. Bytes are durable by fsync or fdatasync of their file,
// names by fsync of their directory, and nothing by anything else.
//
// - An entry is written before its change where it says what is about to be lost (bytes, names), after it where it says
//   what has come (a new name, a sync). A kill in between leaves an entry without a change, which is harmless to undo,
//   or a change that was never undone, as if it had reached the disk by itself.
// - One lock is held from an entry to its change: the order of entries is the order of changes. Syncs do not hold it.
// - A file that is removed or replaced keeps a second name, JOURNAL/graves/<inode>. So it can come back, and no inode
//   number means two files.
// - What the layer does not know how to undo ends the process with a word about it: nothing is to look safe by omission.
// - It sees libc calls. A process that makes system calls by itself (Go, io_uring) is out of its sight: the run in
//   which nothing counts as synced, and which has to end with the folder as it was, tells (power-loss-disk.test.ts).

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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

enum kind {
  WRITE = 1, RESIZE = 2, SYNC = 3, SYNC_DIRECTORY = 4, CREATE = 5, MAKE_DIRECTORY = 6, REMOVE = 7, REMOVE_DIRECTORY = 8,
  RENAME = 9,
};

enum flag {
  DURABLE = 1,     // a write to a file opened with O_DSYNC or O_SYNC
  MAPPED = 2,      // a shared mapping: it may be written to at any time from here on
  DIRECTORY = 4,   // what is renamed is one
};

// Followed by `path`, `target` and `data`. All numbers are little-endian on the machines there are.
struct entry {
  uint32_t kind, flags;
  uint64_t inode;       // of the file; of the directory for SYNC_DIRECTORY
  uint64_t directory;   // that holds the name
  uint64_t position;    // WRITE: first byte. RESIZE: new size. SYNC…: entries before it began. RENAME: inode replaced
  uint64_t length;      // WRITE: bytes. RESIZE: bytes that are cut off
  uint64_t other;       // WRITE, RESIZE: the size before. RENAME: the directory of the target
  uint32_t path_size, target_size;
  uint64_t data_size;   // the bytes before, without the zeros at their end
};

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define MAPPED_BYTES_MAX (1 << 20)

static char root[PATH_MAX], journal_folder[PATH_MAX - 64];
static size_t root_size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static uint64_t entries;

static void __attribute__((noreturn)) give_up (const char *what, const char *detail) {
  dprintf(2, "power-loss layer: %s %s: %s\n", what, detail, strerror(errno));
  abort();
}

static void __attribute__((constructor)) begin (void) {
  const char *folder = getenv("SLUICE_POWER_LOSS_FOLDER"), *to = getenv("SLUICE_POWER_LOSS_JOURNAL");
  if (folder == NULL || to == NULL || strlen(to) >= sizeof journal_folder) return;
  if (realpath(folder, root) == NULL) give_up("no such folder:", folder);
  root_size = strlen(root);
  strcpy(journal_folder, to);
}

// ---------------------------------------------------------------------------------------------------- system calls

static int real_open (int at, const char *path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, at, path, flags, mode);
}

static ssize_t read_all (int fd, char *bytes, size_t size, off_t position) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = syscall(SYS_pread64, fd, bytes + done, size - done, position + (off_t)done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += (size_t)count;
  }
  return (ssize_t)done;
}

// ---------------------------------------------------------------------------------------------------- the journal

// Called with the lock held.
static void append (struct entry *entry, const char *path, const char *target, const char *data) {
  if (journal < 0) {
    char name[PATH_MAX];
    for (int number = 0; journal < 0; number++) {
      snprintf(name, sizeof name, "%s/journal.%06d", journal_folder, number);
      journal = real_open(AT_FDCWD, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
      if (journal < 0 && errno != EEXIST) give_up("cannot make", name);
    }
  }
  entry->path_size = path == NULL ? 0 : (uint32_t)strlen(path);
  entry->target_size = target == NULL ? 0 : (uint32_t)strlen(target);
  const struct iovec parts[] = {
    { entry, sizeof *entry }, { (void *)path, entry->path_size }, { (void *)target, entry->target_size },
    { (void *)data, entry->data_size },
  };
  for (int index = 0; index < 4; index++) {
    for (size_t done = 0; done < parts[index].iov_len;) {
      ssize_t count = syscall(SYS_write, journal, (char *)parts[index].iov_base + done, parts[index].iov_len - done);
      if (count < 0 && errno != EINTR) give_up("cannot write to", journal_folder);
      if (count > 0) done += (size_t)count;
    }
  }
  entries++;
}

// Journals that [position, position + length) is about to change. Called with the lock held.
static void append_bytes (
  uint32_t kind, uint32_t flags, int fd, const struct stat *file, uint64_t position, uint64_t from, uint64_t length
) {
  static char *before;
  static size_t room;
  struct entry entry = {
    .kind = kind, .flags = flags, .inode = file->st_ino, .position = position, .length = length,
    .other = (uint64_t)file->st_size,
  };
  if (from < (uint64_t)file->st_size) {
    uint64_t size = (uint64_t)file->st_size - from;
    if (size > length) size = length;
    if (size > room && (before = realloc(before, room = size)) == NULL) give_up("no memory for", "the bytes before");
    // The descriptor may be for writing only.
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int reader = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY ? real_open(AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0) : fd;
    if (reader < 0) give_up("cannot read", name);
    entry.data_size = (uint64_t)read_all(reader, before, size, (off_t)from);
    if (reader != fd) syscall(SYS_close, reader);
    while (entry.data_size > 0 && before[entry.data_size - 1] == 0) entry.data_size--;
  }
  append(&entry, NULL, NULL, before);
}

// ------------------------------------------------------------------------------------------- which files are watched

// Files of the folder that were opened for writing, by inode: a hash table with open addressing. Called with the lock.
static ino_t *watched;
static size_t watched_count, watched_room;
static dev_t device;

static size_t place_of (ino_t inode) {
  size_t place = (size_t)(inode * 0x9e3779b97f4a7c15u) & (watched_room - 1);
  while (watched[place] != 0 && watched[place] != inode) place = (place + 1) & (watched_room - 1);
  return place;
}

static void watch (const struct stat *file) {
  if (2 * (watched_count + 1) > watched_room) {
    ino_t *old = watched;
    size_t old_room = watched_room;
    watched_room = old_room == 0 ? 1024 : 2 * old_room;
    if ((watched = calloc(watched_room, sizeof *watched)) == NULL) give_up("no memory for", "the files");
    for (size_t index = 0; index < old_room; index++) if (old[index] != 0) watched[place_of(old[index])] = old[index];
    free(old);
  }
  device = file->st_dev;
  size_t place = place_of(file->st_ino);
  if (watched[place] == 0) watched_count++;
  watched[place] = file->st_ino;
}

// Takes the lock, and keeps it, where `fd` is a file to watch.
static int hold (int fd, struct stat *file) {
  if (root_size == 0 || fstat(fd, file) != 0 || !S_ISREG(file->st_mode)) return 0;
  pthread_mutex_lock(&lock);
  if (watched_room != 0 && file->st_dev == device && watched[place_of(file->st_ino)] != 0) {
    if (fstat(fd, file) == 0) return 1;   // again: its size may have changed before the lock was ours
  }
  pthread_mutex_unlock(&lock);
  return 0;
}

static void release (void) {
  int code = errno;
  pthread_mutex_unlock(&lock);
  errno = code;
}

// A name below the folder, free of symbolic links, and the directory that holds it.
struct name {
  char path[PATH_MAX];
  uint64_t directory;
};

static int is_below_root (int at, const char *path, struct name *name) {
  if (root_size == 0) return 0;
  char whole[2 * PATH_MAX], base[PATH_MAX];
  if (path[0] == '/') {
    snprintf(whole, sizeof whole, "%s", path);
  } else {
    char folder[PATH_MAX], link[64];
    snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
    ssize_t size = readlink(link, folder, sizeof folder - 1);
    if (size < 0) return 0;
    snprintf(whole, sizeof whole, "%.*s/%s", (int)size, folder, path);
  }
  for (size_t size = strlen(whole); size > 1 && whole[size - 1] == '/';) whole[--size] = 0;
  char *slash = strrchr(whole, '/');
  snprintf(base, sizeof base, "%s", slash + 1);
  slash[slash == whole ? 1 : 0] = 0;
  int code = errno;
  struct stat directory;
  int is_below = realpath(whole, name->path) != NULL && strncmp(name->path, root, root_size) == 0 &&
    (name->path[root_size] == '/' || name->path[root_size] == 0) && stat(name->path, &directory) == 0;
  errno = code;
  if (!is_below) return 0;
  size_t size = strlen(name->path);
  snprintf(name->path + size, sizeof name->path - size, "/%s", base);
  name->directory = directory.st_ino;
  return 1;
}

static void append_name (uint32_t kind, const struct name *name, uint64_t inode) {
  struct entry entry = { .kind = kind, .inode = inode, .directory = name->directory };
  append(&entry, name->path, NULL, NULL);
}

// Keeps a file that is about to lose its name.
static void bury (const struct name *name, ino_t inode) {
  char grave[PATH_MAX];
  snprintf(grave, sizeof grave, "%s/graves/%llu", journal_folder, (unsigned long long)inode);
  if (syscall(SYS_linkat, AT_FDCWD, name->path, AT_FDCWD, grave, 0) != 0 && errno != EEXIST) {
    give_up("cannot keep, in a folder of the same file system,", name->path);
  }
}

// ------------------------------------------------------------------------------------------------ bytes: what is seen

static ssize_t write_at (int fd, const struct iovec *parts, int count, off_t position, int has_position) {
  struct stat file;
  int is_held = hold(fd, &file);
  if (is_held) {
    int flags = fcntl(fd, F_GETFL);
    uint64_t length = 0;
    for (int index = 0; index < count; index++) length += parts[index].iov_len;
    off_t from = (flags & O_APPEND) != 0 ? file.st_size : has_position ? position : lseek(fd, 0, SEEK_CUR);
    uint32_t kind_of_sync = (flags & (O_DSYNC | O_SYNC)) != 0 ? DURABLE : 0;
    append_bytes(WRITE, kind_of_sync, fd, &file, (uint64_t)from, (uint64_t)from, length);
  }
  ssize_t done = has_position
    ? syscall(SYS_pwritev, fd, parts, count, (long)position, 0L)
    : syscall(SYS_writev, fd, parts, count);
  if (is_held) release();
  return done;
}

ssize_t write (int fd, const void *bytes, size_t size) {
  struct iovec part = { (void *)bytes, size };
  return write_at(fd, &part, 1, 0, 0);
}

ssize_t writev (int fd, const struct iovec *parts, int count) { return write_at(fd, parts, count, 0, 0); }

ssize_t pwrite (int fd, const void *bytes, size_t size, off_t position) {
  struct iovec part = { (void *)bytes, size };
  return write_at(fd, &part, 1, position, 1);
}

ssize_t pwritev (int fd, const struct iovec *parts, int count, off_t position) {
  return write_at(fd, parts, count, position, 1);
}

ssize_t pwrite64 (int fd, const void *bytes, size_t size, off_t position) { return pwrite(fd, bytes, size, position); }

ssize_t pwritev64 (int fd, const struct iovec *parts, int count, off_t position) {
  return pwritev(fd, parts, count, position);
}

// Called with the lock held.
static void append_resize (int fd, const struct stat *file, uint64_t size) {
  uint64_t before = (uint64_t)file->st_size;
  append_bytes(RESIZE, 0, fd, file, size, size, size < before ? before - size : 0);
}

int ftruncate (int fd, off_t size) {
  struct stat file;
  int is_held = hold(fd, &file);
  if (is_held && size >= 0) append_resize(fd, &file, (uint64_t)size);
  int result = (int)syscall(SYS_ftruncate, fd, size);
  if (is_held) release();
  return result;
}

int ftruncate64 (int fd, off_t size) { return ftruncate(fd, size); }

void *mmap (void *address, size_t length, int protection, int flags, int fd, off_t position) {
  struct stat file;
  int is_written = fd >= 0 && (protection & PROT_WRITE) != 0 && (flags & MAP_TYPE) != MAP_PRIVATE;
  int is_held = is_written && hold(fd, &file);
  if (is_held) {
    // Lock files and the like. What is written to a mapping cannot be seen, so a large one must not be.
    if (length > MAPPED_BYTES_MAX) give_up("cannot undo", "a large shared mapping");
    append_bytes(WRITE, MAPPED, fd, &file, (uint64_t)position, (uint64_t)position, length);
  }
  void *result = (void *)syscall(SYS_mmap, address, length, protection, flags, fd, position);
  if (is_held) release();
  return result;
}

void *mmap64 (void *address, size_t length, int protection, int flags, int fd, off_t position) {
  return mmap(address, length, protection, flags, fd, position);
}

static int sync_by (long call, int fd) {
  struct stat file;
  int is_seen = root_size != 0 && fstat(fd, &file) == 0 && (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode));
  struct entry entry = { .kind = 0 };
  if (is_seen) {
    pthread_mutex_lock(&lock);
    entry.kind = S_ISDIR(file.st_mode) ? SYNC_DIRECTORY : SYNC;
    entry.inode = file.st_ino;
    entry.position = entries;
    pthread_mutex_unlock(&lock);
  }
  int result = (int)syscall(call, fd);
  if (is_seen && result == 0) {
    pthread_mutex_lock(&lock);
    append(&entry, NULL, NULL, NULL);
    release();
  }
  return result;
}

int fsync (int fd) { return sync_by(SYS_fsync, fd); }

int fdatasync (int fd) { return sync_by(SYS_fdatasync, fd); }

// ------------------------------------------------------------------------------------------------ names: what is seen

static int open_at (int at, const char *path, int flags, mode_t mode) {
  if (root_size != 0 && strcmp(path, BOOT_ID) == 0) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/boot-id", journal_folder);
    int fd = real_open(AT_FDCWD, name, flags, mode);
    if (fd >= 0) return fd;
  }
  struct name name;
  int is_written = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
  if (!is_written || !is_below_root(at, path, &name)) return real_open(at, path, flags, mode);
  if ((flags & O_TMPFILE) == O_TMPFILE) give_up("cannot undo", "a file without a name");
  pthread_mutex_lock(&lock);
  struct stat file;
  int is_new = lstat(name.path, &file) != 0;
  if (!is_new && S_ISLNK(file.st_mode)) give_up("cannot undo a write through a symbolic link,", name.path);
  if (!is_new && (flags & O_TRUNC) != 0 && file.st_size > 0) {
    int reader = real_open(AT_FDCWD, name.path, O_RDONLY | O_CLOEXEC, 0);
    if (reader >= 0) append_resize(reader, &file, 0);
    if (reader >= 0) syscall(SYS_close, reader);
  }
  int fd = real_open(at, path, flags, mode);
  if (fd >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
    watch(&file);
    if (is_new) append_name(CREATE, &name, file.st_ino);
  }
  release();
  return fd;
}

static mode_t mode_of (int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define WITH_MODE(call) \
  va_list arguments; \
  va_start(arguments, flags); \
  mode_t mode = mode_of(flags, arguments); \
  va_end(arguments); \
  return call

int open (const char *path, int flags, ...) { WITH_MODE(open_at(AT_FDCWD, path, flags, mode)); }
int open64 (const char *path, int flags, ...) { WITH_MODE(open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode)); }
int openat (int at, const char *path, int flags, ...) { WITH_MODE(open_at(at, path, flags, mode)); }
int openat64 (int at, const char *path, int flags, ...) { WITH_MODE(open_at(at, path, flags | O_LARGEFILE, mode)); }
int __open_2 (const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2 (const char *path, int flags) { return open_at(AT_FDCWD, path, flags | O_LARGEFILE, 0); }
int __openat_2 (int at, const char *path, int flags) { return open_at(at, path, flags, 0); }
int __openat64_2 (int at, const char *path, int flags) { return open_at(at, path, flags | O_LARGEFILE, 0); }
int creat (const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64 (const char *path, mode_t mode) { return creat(path, mode); }

static int remove_at (int at, const char *path, int flags) {
  struct name name;
  struct stat file;
  int is_seen = is_below_root(at, path, &name);
  if (is_seen) {
    pthread_mutex_lock(&lock);
    int is_there = lstat(name.path, &file) == 0;
    if (is_there && (flags & AT_REMOVEDIR) != 0) {
      append_name(REMOVE_DIRECTORY, &name, file.st_ino);
    } else if (is_there && !S_ISDIR(file.st_mode)) {
      bury(&name, file.st_ino);
      append_name(REMOVE, &name, file.st_ino);
    }
  }
  int result = (int)syscall(SYS_unlinkat, at, path, flags);
  if (is_seen) release();
  return result;
}

int unlink (const char *path) { return remove_at(AT_FDCWD, path, 0); }
int unlinkat (int at, const char *path, int flags) { return remove_at(at, path, flags); }
int rmdir (const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }

static int rename_at (int from_at, const char *from_path, int to_at, const char *to_path, unsigned flags) {
  struct name from, to;
  int is_from = is_below_root(from_at, from_path, &from), is_to = is_below_root(to_at, to_path, &to);
  if (is_from != is_to || (is_from && flags != 0)) give_up("cannot undo the renaming of", from_path);
  if (is_from) {
    struct stat file, replaced;
    pthread_mutex_lock(&lock);
    if (lstat(from.path, &file) == 0) {
      int replaces = lstat(to.path, &replaced) == 0 && replaced.st_ino != file.st_ino;
      if (replaces && S_ISDIR(replaced.st_mode)) give_up("cannot undo the replacement of", to.path);
      if (replaces) bury(&to, replaced.st_ino);
      struct entry entry = {
        .kind = RENAME, .flags = S_ISDIR(file.st_mode) ? DIRECTORY : 0, .inode = file.st_ino,
        .directory = from.directory, .other = to.directory, .position = replaces ? replaced.st_ino : 0,
      };
      append(&entry, from.path, to.path, NULL);
    }
  }
  int result = (int)syscall(SYS_renameat2, from_at, from_path, to_at, to_path, flags);
  if (is_from) release();
  return result;
}

int rename (const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat (int from_at, const char *from, int to_at, const char *to) {
  return rename_at(from_at, from, to_at, to, 0);
}
int renameat2 (int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  return rename_at(from_at, from, to_at, to, flags);
}

static int made (const struct name *name, uint32_t kind, int result) {
  struct stat file;
  if (result == 0 && lstat(name->path, &file) == 0) append_name(kind, name, file.st_ino);
  release();
  return result;
}

int mkdirat (int at, const char *path, mode_t mode) {
  struct name name;
  if (!is_below_root(at, path, &name)) return (int)syscall(SYS_mkdirat, at, path, mode);
  pthread_mutex_lock(&lock);
  return made(&name, MAKE_DIRECTORY, (int)syscall(SYS_mkdirat, at, path, mode));
}

int mkdir (const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat (int from_at, const char *from, int to_at, const char *to, int flags) {
  struct name name;
  if (!is_below_root(to_at, to, &name)) return (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
  pthread_mutex_lock(&lock);
  return made(&name, CREATE, (int)syscall(SYS_linkat, from_at, from, to_at, to, flags));
}

int link (const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int symlinkat (const char *target, int at, const char *path) {
  struct name name;
  if (!is_below_root(at, path, &name)) return (int)syscall(SYS_symlinkat, target, at, path);
  pthread_mutex_lock(&lock);
  return made(&name, CREATE, (int)syscall(SYS_symlinkat, target, at, path));
}

int symlink (const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

// ------------------------------------------------------------------------------------------- what cannot be undone

// Copies within the kernel: who asks for one goes on with reads and writes.
ssize_t sendfile (int to, int from, off_t *position, size_t count) {
  struct stat file;
  if (!hold(to, &file)) return syscall(SYS_sendfile, to, from, position, count);
  pthread_mutex_unlock(&lock);
  errno = EINVAL;
  return -1;
}

ssize_t sendfile64 (int to, int from, off_t *position, size_t count) { return sendfile(to, from, position, count); }

static void refuse (int fd, const char *what) {
  struct stat file;
  if (hold(fd, &file)) give_up("cannot undo", what);
}

int fallocate (int fd, int mode, off_t position, off_t length) {
  refuse(fd, "fallocate");
  return (int)syscall(SYS_fallocate, fd, mode, position, length);
}

int fallocate64 (int fd, int mode, off_t position, off_t length) { return fallocate(fd, mode, position, length); }

int posix_fallocate (int fd, off_t position, off_t length) {
  return fallocate(fd, 0, position, length) == 0 ? 0 : errno;
}

int posix_fallocate64 (int fd, off_t position, off_t length) { return posix_fallocate(fd, position, length); }

int truncate (const char *path, off_t size) {
  struct name name;
  if (is_below_root(AT_FDCWD, path, &name)) give_up("cannot undo truncate of", path);
  return (int)syscall(SYS_truncate, path, size);
}

int truncate64 (const char *path, off_t size) { return truncate(path, size); }
