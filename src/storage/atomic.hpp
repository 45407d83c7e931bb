// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

namespace tessera::storage {

/// A file that is written under a temporary name beside its final one and appears there whole or not at all.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path final_path);
  ~AtomicFile();  ///< removes the temporary file unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  [[nodiscard]] const std::filesystem::path& temporary() const { return temporary_; }
  /// Flushes to disk, renames, flushes the folder. Throws Error(kIo).
  void commit();

 private:
  std::filesystem::path final_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// The same for a folder: made empty under a temporary name, renamed when complete. Replaces nothing: throws
/// Error(kUsage) if the final name exists when it is made.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& final_path);
  ~AtomicFolder();  ///< removes the temporary folder unless committed
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& temporary() const { return temporary_; }
  void commit();

 private:
  std::filesystem::path final_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Flushes a file or folder to disk. Throws Error(kIo).
void sync_path(const std::filesystem::path& path);

/// Throws Error(kIo) with a clear message when the file system of `folder` has less than `bytes` free.
void require_space(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace tessera::storage
