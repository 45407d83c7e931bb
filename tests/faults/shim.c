// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into one program: makes calls on files fail, ends the process within them, or moves the clock.
//
//   TESSERA_SHIM=RANK:CALL:NTH:PATH:ACTION   the NTH time that rank RANK makes CALL on a file whose path has PATH in it
//     CALL    open (for writing), write, fsync, rename, link, mkdir, or any
//     ACTION  kill, stop (both before the call); ENOSPC, EIO (this call and all later ones that match);
//             list (every matching call is a line "CALL PATH" in the file TESSERA_SHIM_LOG)
//   TESSERA_SHIM_CLOCK=SECONDS:JUMP          the clock of the day jumps by JUMP seconds SECONDS after the start
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int armed;
static char call_wanted[16], path_wanted[512], action_wanted[16];
static atomic_long remaining;
static int log_descriptor = -1;
static double jump_after = -1, jump_by;
static struct timespec started;

__attribute__((constructor)) static void prepare(void) {
  const char* text = getenv("TESSERA_SHIM");
  int rank = 0;
  long nth = 0;
  if (text != NULL && sscanf(text, "%d:%15[^:]:%ld:%511[^:]:%15s", &rank, call_wanted, &nth, path_wanted, action_wanted) == 5) {
    const char* mine = getenv("OMPI_COMM_WORLD_RANK");
    if (mine == NULL) mine = getenv("PMI_RANK");
    if (mine == NULL) mine = getenv("PMIX_RANK");
    atomic_store(&remaining, nth);
    armed = rank == (mine == NULL ? 0 : atoi(mine));
  }
  const char* log = getenv("TESSERA_SHIM_LOG");
  if (log != NULL) log_descriptor = NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
  text = getenv("TESSERA_SHIM_CLOCK");
  if (text != NULL && sscanf(text, "%lf:%lf", &jump_after, &jump_by) != 2) jump_after = -1;
  NEXT(clock_gettime)(CLOCK_MONOTONIC, &started);
}

// 0: go on; else the error that the call shall give.
static int judge(const char* call, const char* path) {
  if (!armed || path == NULL || strstr(path, path_wanted) == NULL) return 0;
  if (strcmp(call_wanted, "any") != 0 && strcmp(call_wanted, call) != 0) return 0;
  if (strcmp(action_wanted, "list") == 0) {
    char line[1024];
    const int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    if (NEXT(write)(log_descriptor, line, (size_t)length) < 0) return 0;
    return 0;
  }
  if (atomic_fetch_sub(&remaining, 1) > 1) return 0;
  if (strcmp(action_wanted, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(action_wanted, "EIO") == 0) return EIO;
  raise(strcmp(action_wanted, "stop") == 0 ? SIGSTOP : SIGKILL);
  return 0;
}

static int judge_descriptor(const char* call, int descriptor) {
  if (!armed) return 0;
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return judge(call, path);
}

#define REFUSE_IF(found, result)          \
  do {                                    \
    const int judged = (found);           \
    if (judged != 0) {                    \
      errno = judged;                     \
      return result;                      \
    }                                     \
  } while (0)

static int is_for_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

#define OPEN(name)                                                                  \
  int name(const char* path, int flags, ...) {                                      \
    va_list more;                                                                   \
    va_start(more, flags);                                                          \
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;          \
    va_end(more);                                                                   \
    if (is_for_writing(flags)) REFUSE_IF(judge("open", path), -1);                  \
    return NEXT(name)(path, flags, mode);                                           \
  }
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                                                               \
  FILE* name(const char* path, const char* mode) {                                                \
    if (mode[0] != 'r' || strchr(mode, '+') != NULL) REFUSE_IF(judge("open", path), NULL);        \
    return NEXT(name)(path, mode);                                                                \
  }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int descriptor, const void* data, size_t size) {
  REFUSE_IF(judge_descriptor("write", descriptor), -1);
  return NEXT(write)(descriptor, data, size);
}
ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  REFUSE_IF(judge_descriptor("write", descriptor), -1);
  return NEXT(writev)(descriptor, parts, count);
}
ssize_t pwrite(int descriptor, const void* data, size_t size, off_t at) {
  REFUSE_IF(judge_descriptor("write", descriptor), -1);
  return NEXT(pwrite)(descriptor, data, size, at);
}
ssize_t pwrite64(int descriptor, const void* data, size_t size, off64_t at) {
  REFUSE_IF(judge_descriptor("write", descriptor), -1);
  return NEXT(pwrite64)(descriptor, data, size, at);
}
int ftruncate(int descriptor, off_t size) {
  REFUSE_IF(judge_descriptor("write", descriptor), -1);
  return NEXT(ftruncate)(descriptor, size);
}
int ftruncate64(int descriptor, off64_t size) {
  REFUSE_IF(judge_descriptor("write", descriptor), -1);
  return NEXT(ftruncate64)(descriptor, size);
}
int fsync(int descriptor) {
  REFUSE_IF(judge_descriptor("fsync", descriptor), -1);
  return NEXT(fsync)(descriptor);
}
int fdatasync(int descriptor) {
  REFUSE_IF(judge_descriptor("fsync", descriptor), -1);
  return NEXT(fdatasync)(descriptor);
}
int rename(const char* from, const char* to) {
  REFUSE_IF(judge("rename", to), -1);
  return NEXT(rename)(from, to);
}
int link(const char* from, const char* to) {
  REFUSE_IF(judge("link", to), -1);
  return NEXT(link)(from, to);
}
int mkdir(const char* path, mode_t mode) {
  REFUSE_IF(judge("mkdir", path), -1);
  return NEXT(mkdir)(path, mode);
}

static double jump_now(void) {
  if (jump_after < 0) return 0;
  struct timespec now;
  NEXT(clock_gettime)(CLOCK_MONOTONIC, &now);
  const double passed = (double)(now.tv_sec - started.tv_sec) + 1e-9 * (double)(now.tv_nsec - started.tv_nsec);
  return passed < jump_after ? 0 : jump_by;
}
int clock_gettime(clockid_t clock, struct timespec* time) {
  const int status = NEXT(clock_gettime)(clock, time);
  if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += (time_t)jump_now();
  return status;
}
int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  const int status = NEXT(gettimeofday)(time, zone);
  if (status == 0) time->tv_sec += (time_t)jump_now();
  return status;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
