// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera {

/// The purpose of a stream of random numbers. It is part of the key, so streams never overlap.
enum class Purpose : std::uint32_t {
  kInit = 1,
  kShuffle = 2,
  kNegatives = 3,
  kSplit = 4,
  kPartition = 5,
  kDropout = 6,
  kBootstrap = 7,
  kRounding = 8,
  kShuffleChunks = 9,
  kShuffleGroups = 10,
  kRounds = 11,
  kExchange = 12,
  kCalibration = 13,
  kTuning = 14
};

/// A counter-based stream (Philox4x32-10, Salmon et al., SC 2011): number i is a pure function of
/// (seed, purpose, epoch, part, i). The caller and the order of calls do not change it.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint32_t epoch = 0, std::uint32_t part = 0);

  /// The key and the upper two words of every counter. A device makes the numbers of words() from them.
  [[nodiscard]] const std::array<std::uint32_t, 2>& key() const { return key_; }
  [[nodiscard]] const std::array<std::uint32_t, 2>& counter_high() const { return counter_high_; }
  /// Four independent 32-bit words for counter `index`.
  [[nodiscard]] std::array<std::uint32_t, 4> words(std::uint64_t index) const;
  /// 64 random bits.
  [[nodiscard]] std::uint64_t bits(std::uint64_t index) const;
  /// Uniform in [0, bound), bound > 0; bias below bound / 2^64.
  [[nodiscard]] std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;
  /// Uniform in [0, 1) with 53 bits.
  [[nodiscard]] double uniform(std::uint64_t index) const;
  /// Two independent standard normals (Box-Muller, in double).
  [[nodiscard]] std::array<double, 2> normals(std::uint64_t index) const;

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 2> counter_high_;
};

/// A pseudo-random permutation of 0 .. size-1 with O(1) memory: a Feistel network with cycle walking
/// (Black and Rogaway, CT-RSA 2002). Same stream, same permutation.
class Permutation {
 public:
  Permutation(std::uint64_t size, const RandomStream& stream);
  [[nodiscard]] std::uint64_t operator()(std::uint64_t position) const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// Words of the tables of a permutation of `size` numbers. No smaller size needs more.
  static std::size_t table_words(std::uint64_t size);
  /// Fills the tables of the rounds. The size is at most 2^32.
  void tabulate(std::span<std::uint32_t> tables) const;
  /// out[k] = (*this)(first + k), from the tables: about ten times as fast.
  void fill(std::uint64_t first, std::span<const std::uint32_t> tables, std::span<std::uint32_t> out) const;

 private:
  [[nodiscard]] std::uint64_t encrypt(std::uint64_t value) const;
  [[nodiscard]] bool has_bytes() const;
  static constexpr int kRounds = 6;
  std::uint64_t size_;
  unsigned half_bits_;
  std::array<std::uint64_t, kRounds> keys_{};
};

/// Another pseudo-random permutation of 0 .. size-1, size <= 2^32, made many numbers at a time: a Feistel network on
/// the cells of a grid, with a power of two of columns. Few cells are too many, so nearly all numbers take one pass.
/// Same stream, same permutation.
class GridPermutation {
 public:
  /// Words of its tables. No smaller size needs more.
  static std::size_t table_words(std::uint64_t size);
  /// Fills `tables`, which outlive this.
  GridPermutation(std::uint64_t size, const RandomStream& stream, std::span<std::uint32_t> tables);
  /// out[k] = the image of first + k.
  void fill(std::uint64_t first, std::span<std::uint32_t> out) const;

 private:
  [[nodiscard]] std::uint32_t encrypt(std::uint32_t value) const;
  static constexpr int kRounds = 4;
  std::uint64_t size_;
  unsigned column_bits_;
  std::uint32_t rows_;
  const std::uint32_t* tables_;
};

}  // namespace tessera
