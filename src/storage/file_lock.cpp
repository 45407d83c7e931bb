// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/file_lock.hpp"

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/provenance.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

namespace tessera::storage {
namespace {

// Whoever held the lock before has removed its file: the lock on it means nothing.
bool is_still_there(int descriptor, const std::filesystem::path& path) {
  struct stat held {};
  struct stat found {};
  return fstat(descriptor, &held) == 0 && stat(path.c_str(), &found) == 0 && held.st_ino == found.st_ino &&
         held.st_dev == found.st_dev;
}

int lock(int descriptor, int operation) {
  int status = 0;
  do status = flock(descriptor, operation);
  while (status != 0 && errno == EINTR);
  return status == 0 ? 0 : errno;
}

void write_holder(int descriptor) {
  const Provenance now = current_provenance();
  const std::string text = fmt::format("process {} on {}, since {}\n", getpid(), now.host, now.time_utc);
  if (ftruncate(descriptor, 0) == 0) (void)!pwrite(descriptor, text.data(), text.size(), 0);  // for people only
}

}  // namespace

bool FileLock::acquire(const std::filesystem::path& path, bool waits) {
  for (;;) {
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) return true;
    const int error = lock(descriptor_, waits ? LOCK_EX : LOCK_EX | LOCK_NB);
    if (error == EWOULDBLOCK) {
      close(std::exchange(descriptor_, -1));
      return false;
    }
    if (error != 0)
      log::warning("'{}' cannot be locked ({}): start no second process that writes to this folder", path.string(),
                   std::strerror(error));
    if (error != 0 || is_still_there(descriptor_, path)) break;
    close(std::exchange(descriptor_, -1));
  }
  file_ = std::make_unique<Temporary>(path);
  write_holder(descriptor_);
  return true;
}

FileLock FileLock::wait(const std::filesystem::path& path) {
  FileLock held;
  held.acquire(path, true);
  return held;
}

std::optional<FileLock> FileLock::try_lock(const std::filesystem::path& path) {
  constexpr auto kLook = std::chrono::milliseconds(20);  // is_held() holds it for less
  FileLock held;
  if (held.acquire(path, false)) return held;
  std::this_thread::sleep_for(kLook);
  if (held.acquire(path, false)) return held;
  return std::nullopt;
}

bool FileLock::is_held(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool is_held = lock(descriptor, LOCK_SH | LOCK_NB) == EWOULDBLOCK;
  close(descriptor);
  return is_held;
}

std::string FileLock::holder(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string text;
  std::getline(in, text);
  return text.empty() ? "another process" : text;
}

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), file_(std::move(other.file_)) {}

FileLock::~FileLock() {
  file_.reset();  // before the lock ends, so that nobody else's file goes
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace tessera::storage
