// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/atomic.hpp"

#include "core/error.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tessera::storage {
namespace {
std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path without_trailing_slash(const std::filesystem::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  return folder_of(path) / fmt::format(".{}.tmp-{}", path.filename().string(), getpid());
}

void rename_or_fail(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) fail(ExitStatus::kIo, "'{}' cannot be renamed to '{}': {}", from.string(), to.string(), error.message());
}
}  // namespace

void sync_path(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(ExitStatus::kIo, "'{}' cannot be opened: {}", path.string(), std::strerror(errno));
  const int status = fsync(descriptor);
  const int reason = errno;
  close(descriptor);
  if (status != 0) fail(ExitStatus::kIo, "'{}' cannot be flushed to disk: {}", path.string(), std::strerror(reason));
}

void require_space(const std::filesystem::path& folder, std::uint64_t bytes) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (!error && space.available < bytes)
    fail(ExitStatus::kIo, "'{}' has {} free, {} are needed; nothing was written", folder.string(),
         text::bytes(space.available), text::bytes(bytes));
}

AtomicFile::AtomicFile(std::filesystem::path final_path)
    : final_(std::move(final_path)), temporary_(temporary_name(final_)) {}

AtomicFile::~AtomicFile() {
  std::error_code ignored;
  if (!committed_) std::filesystem::remove(temporary_, ignored);
}

void AtomicFile::commit() {
  sync_path(temporary_);
  rename_or_fail(temporary_, final_);
  committed_ = true;
  sync_path(folder_of(final_));
}

AtomicFolder::AtomicFolder(const std::filesystem::path& final_path)
    : final_(without_trailing_slash(final_path)), temporary_(temporary_name(final_)) {
  std::error_code error;
  if (std::filesystem::exists(final_, error))
    fail(ExitStatus::kUsage, "'{}' exists already; remove it or choose another name", final_.string());
  std::filesystem::remove_all(temporary_, error);
  std::filesystem::create_directories(temporary_, error);
  if (error) fail(ExitStatus::kIo, "folder '{}' cannot be made: {}", temporary_.string(), error.message());
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) std::filesystem::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_path(temporary_);
  rename_or_fail(temporary_, final_);
  committed_ = true;
  sync_path(folder_of(final_));
}

}  // namespace tessera::storage
