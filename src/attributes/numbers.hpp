// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attributes/detail/bytes.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::attributes {

/// From `low` to `high`, both included; none when low > high.
struct Interval {
  std::int64_t low = 1;
  std::int64_t high = 0;
  [[nodiscard]] bool has(std::int64_t value) const { return low <= value && value <= high; }
};

/// Packed whole numbers: blocks of 1,024, in each the differences from its least number, patched; those above 2^32 in
/// two halves. Any number is found in one block. Layout: docs/formats/attributes.md.
class Numbers {
 public:
  static constexpr std::uint64_t kBlock = 1024;

  static void encode(std::span<const std::int64_t> values, std::vector<std::uint8_t>& out);

  Numbers() = default;
  /// Reads `count` numbers where they are; the bytes outlive this. Checks every block. Throws Error(kBadData).
  Numbers(detail::ByteReader& reader, std::uint64_t count);

  [[nodiscard]] std::uint64_t size() const { return count_; }
  [[nodiscard]] std::uint64_t block_count() const { return (count_ + kBlock - 1) / kBlock; }
  /// O(1): reads 8 numbers of one block, and its patches.
  [[nodiscard]] std::int64_t operator[](std::uint64_t i) const;
  /// Numbers block * kBlock .. of one block into the front of `out`; returns how many.
  std::size_t read_block(std::uint64_t block, std::span<std::int64_t, kBlock> out) const;
  /// Sets bit i of `bits` [(size() + 63) / 64] where number i is in the interval.
  void select(const Interval& interval, std::span<std::uint64_t> bits) const;
  /// A range that has all of them; it may be wider.
  [[nodiscard]] Interval range() const;

 private:
  struct Block;
  [[nodiscard]] Block block(std::uint64_t index) const;
  [[nodiscard]] std::uint64_t start(std::uint64_t index) const;
  void select_block(const Block& block, const Interval& interval, std::uint64_t* bits) const;

  std::uint64_t count_ = 0;
  unsigned start_width_ = 0;
  detail::ByteSpan starts_;
  detail::ByteSpan blocks_;
};

}  // namespace tessera::attributes
