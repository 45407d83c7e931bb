// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/file_lock.hpp"

#include "core/error.hpp"
#include "core/log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
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

}  // namespace

// False: another process holds it. Without a descriptor the file could not be made.
bool FileLock::acquire(const std::filesystem::path& path, int operation) {
  for (;;) {
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    error_ = descriptor_ < 0 ? errno : 0;
    if (descriptor_ < 0) return true;
    error_ = lock(descriptor_, operation);
    if (error_ == EWOULDBLOCK) {
      close(std::exchange(descriptor_, -1));
      return false;
    }
    is_kept_ = error_ == 0;
    if (!is_kept_ || is_still_there(descriptor_, path)) break;
    close(std::exchange(descriptor_, -1));
  }
  file_ = std::make_unique<Temporary>(path);
  return true;
}

FileLock FileLock::wait(const std::filesystem::path& path) {
  FileLock held;
  held.acquire(path, LOCK_EX);
  if (held.descriptor_ >= 0 && !held.is_kept_)
    log::warning("'{}' cannot be locked ({}): start no second process that writes to this folder", path.string(),
                 std::strerror(held.error_));
  return held;
}

std::optional<FileLock> FileLock::try_lock(const std::filesystem::path& path) {
  constexpr auto kLook = std::chrono::milliseconds(20);  // is_held() holds it for less
  FileLock held;
  if (!held.acquire(path, LOCK_EX | LOCK_NB)) {
    std::this_thread::sleep_for(kLook);
    if (!held.acquire(path, LOCK_EX | LOCK_NB)) return std::nullopt;
  }
  if (held.descriptor_ < 0)
    fail(ExitStatus::kIo, "nothing can be written in '{}': {}", path.parent_path().string(),
         std::strerror(held.error_));
  return held;
}

bool FileLock::is_held(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool is_held = lock(descriptor, LOCK_SH | LOCK_NB) == EWOULDBLOCK;
  close(descriptor);
  return is_held;
}

std::optional<std::string> FileLock::content(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  std::array<char, 4096> text{};
  const ssize_t got = read(descriptor, text.data(), text.size());
  close(descriptor);
  return std::string(text.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
}

void FileLock::write(std::string_view text) const {
  const auto size = static_cast<ssize_t>(text.size());
  const bool is_written = pwrite(descriptor_, text.data(), text.size(), 0) == size && ftruncate(descriptor_, size) == 0;
  if (!is_written || fsync(descriptor_) != 0)
    fail(ExitStatus::kIo, "'{}' cannot be written: {}", file_->path().string(), std::strerror(errno));
}

void FileLock::leave_file() { file_->release(); }

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      error_(other.error_),
      is_kept_(other.is_kept_),
      file_(std::move(other.file_)) {}

FileLock::~FileLock() {
  file_.reset();  // before the lock ends, so that nobody else's file goes
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace tessera::storage
