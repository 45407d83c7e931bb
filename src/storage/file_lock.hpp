// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/atomic.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::storage {

/// A lock on a file that is made for it and removed with it. It ends with the process, whatever ends that. The holder
/// may write a text into the file; what a killed holder wrote stays until the next holder replaces it.
class FileLock {
 public:
  /// Waits until nobody else holds it. A file system without locks costs a warning: then nobody is kept away. In a
  /// folder that cannot be written nothing is locked; whoever writes there says so.
  static FileLock wait(const std::filesystem::path& path);
  /// Empty when another process holds it. Throws Error(kIo) when the file cannot be made.
  static std::optional<FileLock> try_lock(const std::filesystem::path& path);
  /// Whether a process holds it now. Changes nothing, and needs no right to write.
  static bool is_held(const std::filesystem::path& path);
  /// What stands in the file of a lock; at most 4 KiB. Opens the file each time, so that a network file system asks its
  /// server. Nothing: there is no such file.
  static std::optional<std::string> content(const std::filesystem::path& path);

  /// The file system keeps others away. Without, the lock is a file only.
  [[nodiscard]] bool is_kept() const { return is_kept_; }
  /// Replaces what stands in the file, for readers on other hosts, too. Throws Error(kIo).
  void write(std::string_view text) const;
  /// The file belongs to somebody else: it is not removed.
  void leave_file();

  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock() = default;
  bool acquire(const std::filesystem::path& path, int operation);
  int descriptor_ = -1;
  int error_ = 0;
  bool is_kept_ = false;
  std::unique_ptr<Temporary> file_;
};

}  // namespace tessera::storage
