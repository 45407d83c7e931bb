// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera::storage {

/// The bytes of one dataset, read from their place in the file when they are asked for: no lock, no copy inside the
/// HDF5 library. By pread and not by a memory map: a file that becomes shorter, or a disk that fails, is then an error
/// with a message; a map would kill the process by SIGBUS.
class DatasetBytes {
 public:
  /// `size` bytes from `offset` on of the open file `descriptor`, which is duplicated. Throws Error(kBadData) when the
  /// file is shorter.
  DatasetBytes(int descriptor, std::uint64_t offset, std::uint64_t size, std::filesystem::path file,
               std::string dataset);
  /// Bytes that lie in memory.
  explicit DatasetBytes(std::vector<std::uint8_t> bytes) : size_(bytes.size()), memory_(std::move(bytes)) {}
  DatasetBytes(DatasetBytes&& other) noexcept;
  DatasetBytes& operator=(DatasetBytes&& other) noexcept;
  DatasetBytes(const DatasetBytes&) = delete;
  DatasetBytes& operator=(const DatasetBytes&) = delete;
  ~DatasetBytes();

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Fills `out` with the bytes from `first` on, which lie inside. Several threads may read at once. Throws
  /// Error(kBadData) when the file has become shorter, Error(kIo) when it cannot be read.
  void read(std::uint64_t first, std::span<std::uint8_t> out) const;
  /// "'FILE', dataset PATH", for messages.
  [[nodiscard]] std::string name() const;

 private:
  int descriptor_ = -1;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::filesystem::path file_;
  std::string dataset_;
  std::vector<std::uint8_t> memory_;
};

}  // namespace tessera::storage
