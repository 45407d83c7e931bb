// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "packing/bits.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::packing {

/// Ascending numbers in about 2 + log2(universe / count) bits each, with access to any of them (Elias 1974, Fano 1971).
/// The low bits of every number lie side by side. Number i, shifted right by their width, sets bit i + shifted of
/// `high`.
struct EliasFano {
  std::uint64_t count = 0;
  unsigned low_width = 0;
  std::vector<std::uint8_t> low;    ///< kPadding bytes behind the last low bits
  std::vector<std::uint64_t> high;  ///< one word behind the last set bit

  /// `values` ascend (equal ones are allowed).
  static EliasFano encode(std::span<const std::uint64_t> values);
  /// Width of the low bits of `count` numbers of which the largest is `last`.
  static unsigned choose_low_width(std::uint64_t count, std::uint64_t last);
};

/// Reads what EliasFano::encode() made, wherever it lies.
class EliasFanoView {
 public:
  /// One sample per so many numbers.
  static constexpr std::uint64_t kSampled = 64;

  EliasFanoView() = default;
  /// `samples` [(count + kSampled - 1) / kSampled], as sample() makes them.
  EliasFanoView(std::uint64_t count, unsigned low_width, std::span<const std::uint8_t> low,
                std::span<const std::uint64_t> high, std::span<const std::uint32_t> samples)
      : count_(count), low_width_(low_width), low_(low.data()), high_(high), samples_(samples.data()) {}

  /// Whether `high` has exactly `count` bits, `low` the bytes for them, and the numbers ascend strictly and end below
  /// `bound`: what access to any of them needs. O(count).
  static bool is_sound(std::uint64_t count, unsigned low_width, std::span<const std::uint8_t> low,
                       std::span<const std::uint64_t> high, std::uint64_t bound);
  /// Fills the positions of every kSampled-th set bit of `high`.
  static void sample(std::span<const std::uint64_t> high, std::span<std::uint32_t> samples);

  [[nodiscard]] std::uint64_t size() const { return count_; }
  /// How many numbers are below `value`. O(log size).
  [[nodiscard]] std::uint64_t lower_bound(std::uint64_t value) const;
  /// Number i, i < size(). O(1): a few words at most behind a sample where numbers are spread evenly.
  std::uint64_t operator[](std::uint64_t i) const {
    const std::uint64_t start = samples_[i / kSampled];
    std::uint64_t word = start / 64;
    std::uint64_t bits = high_[word] & ~std::uint64_t{0} << (start % 64);
    auto left = static_cast<int>(i % kSampled);
    for (int ones = std::popcount(bits); ones <= left; ones = std::popcount(bits)) {
      left -= ones;
      bits = high_[++word];
    }
    for (; left > 0; --left) bits &= bits - 1;
    const std::uint64_t position = 64 * word + static_cast<unsigned>(std::countr_zero(bits));
    return (position - i) << low_width_ | load_bits(low_, i * low_width_, low_width_);
  }
  /// out[k] = (*this)[at[k] - less]: several times as fast as one by one.
  void gather(std::span<const std::uint32_t> at, std::uint32_t less, std::uint64_t* out) const;
  /// Sets bit (*this)[i] of `rows` for every i whose bit is set in `values`.
  void spread(std::span<const std::uint64_t> values, std::span<std::uint64_t> rows) const;

  /// What gather() and spread() read.
  struct Parts {
    unsigned low_width;
    const std::uint8_t* low;
    std::span<const std::uint64_t> high;
    const std::uint32_t* samples;
  };

 private:
  std::uint64_t count_ = 0;
  unsigned low_width_ = 0;
  const std::uint8_t* low_ = nullptr;
  std::span<const std::uint64_t> high_;
  const std::uint32_t* samples_ = nullptr;
};

}  // namespace tessera::packing
