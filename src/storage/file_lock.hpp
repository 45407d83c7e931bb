// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/atomic.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace tessera::storage {

/// A lock on a file that is made for it and removed with it. It ends with the process, whatever ends that. A file
/// system without locks costs a warning: then nobody is kept away. A folder that cannot be written has no lock either;
/// whoever writes there says so.
class FileLock {
 public:
  /// Waits until nobody else holds it.
  static FileLock wait(const std::filesystem::path& path);
  /// Empty when another process holds it. The file says which: "process PID on HOST, since TIME".
  static std::optional<FileLock> try_lock(const std::filesystem::path& path);
  /// Whether a process holds it now. Changes nothing, and needs no right to write.
  static bool is_held(const std::filesystem::path& path);
  /// What the process that holds it has written.
  static std::string holder(const std::filesystem::path& path);

  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock() = default;
  bool acquire(const std::filesystem::path& path, bool waits);
  int descriptor_ = -1;
  std::unique_ptr<Temporary> file_;
};

}  // namespace tessera::storage
