// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/detail/name_bucket.hpp"
#include "storage/detail/page_cache.hpp"
#include "storage/detail/string_store.hpp"
#include "storage/string_blocks.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::storage::detail {

inline constexpr std::uint64_t kBucketStrings = 8;
inline constexpr std::uint64_t kPageBuckets = 32;
inline constexpr std::uint64_t kPageStrings = kBucketStrings * kPageBuckets;

/// The first bytes of a string as a number that orders as they do; zeros behind the end.
template <class Head>
Head head_of(std::string_view string) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t head = 0;
  std::memcpy(&head, string.data(), std::min(string.size(), sizeof(head)));
  return static_cast<Head>(__builtin_bswap64(head) >> (64 - 8 * sizeof(Head)));
}

/// A page: width of an offset (1 byte), length of the prefix (1), prefix, heads (4 each) and offsets of the buckets but
/// the first, buckets.
class PageView {
 public:
  /// Throws Error(kBadData).
  PageView(std::span<const std::uint8_t> bytes, std::uint64_t strings);
  [[nodiscard]] std::uint64_t strings() const { return strings_; }
  [[nodiscard]] std::uint64_t buckets() const { return buckets_; }
  /// What all strings begin with.
  [[nodiscard]] std::string_view prefix() const {
    return {reinterpret_cast<const char*>(bytes_.data()) + 2, bytes_[1]};
  }
  [[nodiscard]] std::span<const std::uint8_t> bucket(std::uint64_t index) const;
  /// Places of the first and the last bucket that may be the last one whose first string is not above prefix + `rest`.
  struct Range {
    std::uint64_t first;
    std::uint64_t last;
  };
  [[nodiscard]] Range buckets_near(std::string_view rest) const;

 private:
  [[nodiscard]] std::uint64_t offset(std::uint64_t index) const;
  std::span<const std::uint8_t> bytes_;
  std::uint64_t strings_;
  std::uint64_t buckets_;
  std::size_t width_ = 0;
  std::size_t heads_ = 0;  // where they begin
  std::size_t offsets_ = 0;
  std::size_t coded_ = 0;
};

/// Finds the page of a string in memory: the separators of all pages.
class PageIndex {
 public:
  PageIndex(std::vector<std::uint8_t> separators, std::vector<std::uint64_t> offsets);
  /// The last page whose separator is not above `string`, or page 0.
  [[nodiscard]] std::uint64_t page_of(std::string_view string) const;

 private:
  [[nodiscard]] std::string_view separator(std::uint64_t page) const;
  std::vector<std::uint8_t> separators_;
  std::vector<std::uint64_t> offsets_;
  std::size_t shared_ = 0;           // bytes that all separators but the first begin with
  std::vector<std::uint64_t> keys_;  // the 8 bytes behind them, of pages 1 and so on
};

/// Strings as PackedStrings has them, in memory or in a file.
class PackedStore final : public StringStore {
 public:
  /// `strings.bytes` is not used: `bytes` gives them. Throws Error(kBadData); `where` begins the message.
  PackedStore(PackedStrings strings, DatasetBytes bytes, const std::string& where);
  [[nodiscard]] std::uint64_t size() const override { return count_; }
  [[nodiscard]] std::string get(std::uint64_t rank) override;
  [[nodiscard]] Bound lower_bound(std::string_view string) override;
  [[nodiscard]] std::vector<std::string> block(std::uint64_t index) override;

 private:
  [[nodiscard]] PageView page(std::uint64_t index);
  std::uint64_t bucket_of(const PageView& page, std::string_view string);
  Bound scan(const PageView& page, std::uint64_t bucket, std::string_view string);

  std::uint64_t count_;
  std::vector<std::uint64_t> page_offsets_;
  SymbolTable table_;
  PageIndex index_;
  PageCache cache_;
  BucketReader reader_;
};

}  // namespace tessera::storage::detail
