// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace tessera::storage {

/// A file as memory, for tables that are larger than memory: the system reads pages when they are used, and writes
/// those that changed. A read that fails (the file became shorter, the disk is broken) ends the process with a message
/// that names the file, and with exit status 74.
class MappedFile {
 public:
  MappedFile() = default;
  /// Makes a file of zeros, for reading and writing. All of its space on the disk is reserved, so that no write fails
  /// later. Throws Error(kIo) that names the file and its bytes.
  static MappedFile create(const std::filesystem::path& path, std::uint64_t bytes);
  /// Maps an existing file, for reading only: a write is a crash. Throws Error(kIo) or Error(kMissingInput).
  static MappedFile open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] bool is_writable() const { return is_writable_; }
  /// Gives the memory of these bytes back: pages that changed are written first. Blocks until they are on disk. The
  /// bytes stay as they are, and are read again when they are used.
  void evict(std::uint64_t first, std::uint64_t count) const;
  void evict() const { evict(0, bytes_.size()); }

 private:
  MappedFile(int descriptor, std::uint64_t bytes, bool is_writable, const std::filesystem::path& path);

  int descriptor_ = -1;
  std::span<std::byte> bytes_;
  bool is_writable_ = false;
};

}  // namespace tessera::storage
