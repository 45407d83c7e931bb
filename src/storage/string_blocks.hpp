// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::storage {

class FileWriter;
class FileReader;

/// Ascending, distinct strings in their packed form, as files have them (docs/formats/string_blocks.md).
struct PackedStrings {
  std::uint64_t count = 0;
  std::vector<std::uint8_t> symbols;  ///< rows of kSymbolBytes
  std::vector<std::uint8_t> bytes;    ///< all pages
  std::vector<std::uint64_t> page_offsets;
  std::vector<std::uint8_t> separators;  ///< one of each page, side by side
  std::vector<std::uint64_t> separator_offsets;

  /// Encodes `count` strings; `string(i)` gives the i-th in strictly ascending byte order, and is asked for some of
  /// them twice. O(bytes).
  static PackedStrings encode(std::uint64_t count, const std::function<std::string_view(std::uint64_t)>& string);
  void write(FileWriter& file, const std::string& group, const std::string& long_name) const;

  static constexpr std::size_t kSymbolBytes = 9;
  static constexpr std::size_t kHashBytes = 4;
  /// What the last kHashBytes of a page say of the bytes before them: the low bits of their XXH3-64.
  static std::uint32_t page_hash(std::span<const std::uint8_t> bytes);
};

namespace detail {
class StringStore;
}  // namespace detail

/// Byte-sorted, distinct strings, packed: the string of a rank and the rank of a string are found by decoding a few
/// strings. Strings in a file stay in the file: memory has about 0.2 bytes a string, and the pages used last, 64 MiB at
/// most. Used by one thread at a time.
class StringBlocks {
 public:
  /// Strings in memory. Throws Error(kBadData) when the parts do not fit together.
  explicit StringBlocks(PackedStrings strings);
  /// Opens the group that PackedStrings::write wrote; every size is checked, pages when they are read. Throws
  /// Error(kBadData).
  static StringBlocks open(const FileReader& file, const std::string& group);
  StringBlocks(StringBlocks&&) noexcept;
  StringBlocks& operator=(StringBlocks&&) noexcept;
  StringBlocks(const StringBlocks&) = delete;
  StringBlocks& operator=(const StringBlocks&) = delete;
  ~StringBlocks();

  [[nodiscard]] std::uint64_t size() const;
  /// The string of a rank < size(). Throws Error(kBadData) for damaged bytes, as all that follow.
  [[nodiscard]] std::string get(std::uint64_t rank) const;
  [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const;
  /// Rank of the first string that is not below `name`; size() if there is none.
  [[nodiscard]] std::uint64_t lower_bound(std::string_view name) const;
  /// kBlockStrings strings in order, fewer at the end: for scans.
  [[nodiscard]] std::vector<std::string> block(std::uint64_t block_index) const;
  [[nodiscard]] std::uint64_t block_count() const;
  /// Up to `limit` strings nearest to `name` by edit distance, best first; a scan of everything.
  [[nodiscard]] std::vector<std::string> nearest(std::string_view name, std::size_t limit) const;

  static constexpr std::uint64_t kBlockStrings = 1024;

 private:
  explicit StringBlocks(std::unique_ptr<detail::StringStore> store);
  std::unique_ptr<detail::StringStore> store_;
};

}  // namespace tessera::storage
