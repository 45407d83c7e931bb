// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace tessera::partition {

/// An anonymous file: it has no name, so it is gone when its owner is, whatever ends the process.
class TempFile {
 public:
  /// Throws Error(kIo) when the folder cannot be written.
  explicit TempFile(const std::filesystem::path& folder);
  ~TempFile();
  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&& other) noexcept;
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  /// Appends through a 1 MiB buffer. Throws Error(kIo), for a full disk with a message that says so.
  void append(std::span<const std::byte> bytes);
  /// Writes what is buffered; needed before read_at.
  void flush();
  /// Reads exactly `out.size()` bytes.
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] std::uint64_t bytes() const { return written_ + buffer_.size(); }

 private:
  void write(std::span<const std::byte> bytes);
  int descriptor_ = -1;
  std::filesystem::path folder_;
  std::uint64_t written_ = 0;
  std::vector<std::byte> buffer_;
};

/// Reads a range of a temporary file from front to back, some bytes at a time.
class TempReader {
 public:
  /// `file` must outlive the reader and be flushed.
  TempReader(const TempFile& file, std::uint64_t offset, std::uint64_t bytes, std::size_t buffer_bytes);

  /// The next `count` bytes, valid until the next call; empty when none are left. A range that ends inside them is a
  /// defect.
  std::span<const std::byte> take(std::size_t count);
  /// Returns the buffered whole records: at least one, but none at the end.
  template <class Record>
  std::span<const Record> take_records() {
    static_assert(std::is_trivially_copyable_v<Record>);
    const std::span<const std::byte> bytes = take_some(sizeof(Record));
    return {reinterpret_cast<const Record*>(bytes.data()), bytes.size() / sizeof(Record)};
  }

 private:
  std::span<const std::byte> take_some(std::size_t granule);
  bool refill(std::size_t at_least);
  const TempFile* file_;
  std::uint64_t next_;
  std::uint64_t end_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace tessera::partition
