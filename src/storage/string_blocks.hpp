// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::storage {

class FileWriter;
class FileReader;

/// Byte-sorted, distinct strings as front-coded zstd blocks of 1,024: the string with rank i and the rank of a string
/// are both found by decoding one block. Layout: docs/formats/string_blocks.md.
class StringBlocks {
 public:
  /// Encodes `count` strings; `string(i)` gives the i-th in strictly ascending byte order. O(bytes), one block at a
  /// time.
  static StringBlocks encode(std::uint64_t count, const std::function<std::string_view(std::uint64_t)>& string);
  /// Reads the group written by `write`; every size is checked. Throws Error(kBadData).
  static StringBlocks read(const FileReader& file, const std::string& group);
  void write(FileWriter& file, const std::string& group, const std::string& long_name) const;

  [[nodiscard]] std::uint64_t size() const { return count_; }
  /// Throws Error(kBadData) for a damaged block.
  [[nodiscard]] std::string get(std::uint64_t rank) const;
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const;
  /// All strings of one block in order: for scans.
  [[nodiscard]] std::vector<std::string> block(std::uint64_t block_index) const;
  [[nodiscard]] std::uint64_t block_count() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  /// Up to `limit` strings nearest to `name` by edit distance, best first; a scan of everything.
  [[nodiscard]] std::vector<std::string> nearest(std::string_view name, std::size_t limit) const;

  static constexpr std::uint64_t kBlockStrings = 1024;

 private:
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> offsets_;  // offsets of each block in bytes_, and the end
  std::vector<std::uint8_t> bytes_;
};

}  // namespace tessera::storage
