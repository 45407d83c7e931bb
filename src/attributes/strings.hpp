// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/detail/bytes.hpp"
#include "attributes/numbers.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::attributes {

/// Gives the i-th of some strings; valid until the next call.
using StringAt = std::function<std::string_view(std::uint64_t)>;

/// Packed strings, best in ascending order: buckets of 16, in which a string has only what differs from the one before.
/// Any of them is found in one bucket.
class FrontCoded {
 public:
  static constexpr std::uint64_t kBucket = 16;

  static void encode(std::uint64_t count, const StringAt& string, detail::Bytes& out);

  FrontCoded() = default;
  /// Reads `count` strings where they are. Throws Error(kBadData), as do the readers below: a string is checked when it
  /// is read.
  FrontCoded(detail::ByteReader& reader, std::uint64_t count);

  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::string operator[](std::uint64_t i) const;
  [[nodiscard]] std::vector<std::string> all() const;

 private:
  [[nodiscard]] detail::ByteSpan bucket(std::uint64_t index) const;

  std::uint64_t count_ = 0;
  Numbers ends_;  // of each bucket in bytes_
  detail::ByteSpan bytes_;
};

/// Strings one after the other as they are.
class PlainStrings {
 public:
  static void encode(std::span<const std::string_view> strings, detail::Bytes& out);

  PlainStrings() = default;
  PlainStrings(detail::ByteReader& reader, std::uint64_t count);

  [[nodiscard]] std::uint64_t size() const { return ends_.size(); }
  /// Throws Error(kBadData).
  [[nodiscard]] std::string_view operator[](std::uint64_t i) const;

 private:
  Numbers ends_;
  detail::ByteSpan bytes_;
};

/// Strings in any order in blocks of about 16 KiB, each compressed by zstd, with a trained dictionary where it pays.
/// One of them is found by unpacking its block.
class TextBlocks {
 public:
  static void encode(std::uint64_t count, const StringAt& string, detail::Bytes& out);

  TextBlocks();
  TextBlocks(detail::ByteReader& reader, std::uint64_t count);
  TextBlocks(TextBlocks&&) noexcept;
  TextBlocks& operator=(TextBlocks&&) noexcept;
  TextBlocks(const TextBlocks&) = delete;
  TextBlocks& operator=(const TextBlocks&) = delete;
  ~TextBlocks();

  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::string operator[](std::uint64_t i) const;
  /// Calls visit(i, string) for first <= i < end. Unpacks each block once.
  void for_each(std::uint64_t first, std::uint64_t end,
                const std::function<void(std::uint64_t, std::string_view)>& visit) const;

 private:
  struct Dictionary;
  [[nodiscard]] std::string unpack(std::uint64_t block) const;

  std::uint64_t count_ = 0;
  std::uint64_t per_block_ = 1;
  Numbers ends_;
  detail::ByteSpan bytes_;
  std::unique_ptr<Dictionary> dictionary_;
};

}  // namespace tessera::attributes
