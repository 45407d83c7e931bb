// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/random.hpp"

#include "core/detail/fill_permutation.hpp"
#include "core/error.hpp"

#include <Random123/philox.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace tessera {

RandomStream::RandomStream(std::uint64_t seed, Purpose purpose, std::uint32_t epoch, std::uint32_t part)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)},
      counter_high_{epoch, (static_cast<std::uint32_t>(purpose) << 24U) | part} {
  TESSERA_ASSERT(part < (1U << 24U), "a random stream takes at most 2^24 parts");
}

std::array<std::uint32_t, 4> RandomStream::words(std::uint64_t index) const {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(index),
                                               static_cast<std::uint32_t>(index >> 32U), counter_high_[0],
                                               counter_high_[1]}};
  const r123::Philox4x32::key_type key = {{key_[0], key_[1]}};
  const auto out = r123::Philox4x32{}(counter, key);
  return {out[0], out[1], out[2], out[3]};
}

std::uint64_t RandomStream::bits(std::uint64_t index) const {
  const auto w = words(index);
  return (static_cast<std::uint64_t>(w[1]) << 32U) | w[0];
}

std::uint64_t RandomStream::below(std::uint64_t index, std::uint64_t bound) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(index)) * bound) >> 64U);
}

double RandomStream::uniform(std::uint64_t index) const { return static_cast<double>(bits(index) >> 11U) * 0x1.0p-53; }

std::array<double, 2> RandomStream::normals(std::uint64_t index) const {
  const auto w = words(index);
  const double u = (static_cast<double>(w[0]) + 0.5) * 0x1.0p-32;
  const double angle = 2 * std::numbers::pi * (static_cast<double>(w[1]) * 0x1.0p-32);
  const double radius = std::sqrt(-2 * std::log(u));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

namespace {
// The round function: the finaliser of MurmurHash3. Every order of training rests on its bits.
std::uint64_t scrambled(std::uint64_t x) {
  x ^= x >> 33U;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33U;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33U);
}

unsigned half_bits(std::uint64_t size) {
  const auto bits = static_cast<unsigned>(std::bit_width(size > 0 ? size - 1 : 0));
  return bits < 2 ? 1 : (bits + 1) / 2;
}
}  // namespace

Permutation::Permutation(std::uint64_t size, const RandomStream& stream) : size_(size), half_bits_(half_bits(size)) {
  for (std::size_t round = 0; round < keys_.size(); ++round) keys_[round] = stream.bits(round);
}

std::uint64_t Permutation::encrypt(std::uint64_t value) const {
  const std::uint64_t mask = (1ULL << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_;
  std::uint64_t right = value & mask;
  for (const std::uint64_t key : keys_) {
    const std::uint64_t next = left ^ (scrambled(right ^ key) & mask);
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

std::uint64_t Permutation::operator()(std::uint64_t position) const {
  do position = encrypt(position);
  while (position >= size_);
  return position;
}

std::size_t Permutation::table_words(std::uint64_t size) { return kRounds * (std::size_t{1} << half_bits(size)); }

// Tables of words, as ByteNetwork has them, where halves are bytes and the tables have room.
bool Permutation::has_bytes() const {
  return half_bits_ <= detail::ByteNetwork::kMostHalfBits && 2 * table_words(size_) >= detail::ByteNetwork::kTableWords;
}

void Permutation::tabulate(std::span<std::uint32_t> tables) const {
  const std::uint64_t halves = 1ULL << half_bits_;
  const auto changes = [&](std::size_t round, std::uint64_t half) {
    return static_cast<std::uint32_t>(scrambled(half ^ keys_[round]) & (halves - 1));
  };
  auto* words = reinterpret_cast<std::uint16_t*>(tables.data());
  for (std::size_t round = 0; round < keys_.size(); ++round)
    for (std::uint64_t half = 0; half < halves; ++half) {
      if (has_bytes())
        words[256 * round + half] = static_cast<std::uint16_t>(changes(round, half) << (round % 2 == 0 ? 8U : 0U));
      else
        tables[halves * round + half] = changes(round, half);
    }
}

namespace {
/// The network with its rounds in tables. Two rounds change the left half and then the right one in place.
struct TabulatedNetwork {
  const std::uint32_t* tables;
  unsigned half_bits;

  [[nodiscard]] std::uint32_t encrypt(std::uint32_t value, std::size_t rounds) const {
    const std::size_t halves = std::size_t{1} << half_bits;
    std::uint32_t left = value >> half_bits;
    std::uint32_t right = value & static_cast<std::uint32_t>(halves - 1);
    const std::uint32_t* table = tables;
    for (std::size_t round = 0; round < rounds; round += 2, table += 2 * halves) {
      left ^= table[right];
      right ^= table[halves + left];
    }
    return left << half_bits | right;
  }
};
}  // namespace

// Numbers that are not below the size walk on together, so that no branch depends on one of them.
void Permutation::fill(std::uint64_t first, std::span<const std::uint32_t> tables, std::span<std::uint32_t> out) const {
  if (has_bytes())
    return detail::fill_bytes({reinterpret_cast<const std::uint16_t*>(tables.data()), size_, half_bits_}, first, out);
  constexpr std::size_t kTogether = 2048;
  const TabulatedNetwork network{tables.data(), half_bits_};
  const std::uint64_t size = size_;
  std::array<std::uint32_t, kTogether> walking;
  for (std::size_t begin = 0; begin < out.size(); begin += kTogether) {
    const std::span<std::uint32_t> values = out.subspan(begin, std::min(kTogether, out.size() - begin));
    std::size_t count = 0;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const std::uint32_t value = network.encrypt(static_cast<std::uint32_t>(first + begin + k), kRounds);
      values[k] = value;
      walking[count] = static_cast<std::uint32_t>(k);
      count += value >= size ? 1 : 0;
    }
    for (std::size_t left = 0; count > 0; count = left, left = 0)
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t k = walking[i];
        const std::uint32_t value = network.encrypt(values[k], kRounds);
        values[k] = value;
        walking[left] = k;
        left += value >= size ? 1 : 0;
      }
  }
}

namespace {
/// Of a grid of at least as many rows as columns.
unsigned grid_column_bits(std::uint64_t size) {
  return static_cast<unsigned>(std::bit_width(size > 0 ? size - 1 : 0)) / 2;
}
std::uint64_t grid_rows(std::uint64_t size) {
  const unsigned bits = grid_column_bits(size);
  return (size + (std::uint64_t{1} << bits) - 1) >> bits;
}
}  // namespace

// A size below has fewer columns, or as many and no more rows. Rows are at most twice the columns.
std::size_t GridPermutation::table_words(std::uint64_t size) {
  return kRounds / 2 * (std::size_t{3} << grid_column_bits(size));
}

GridPermutation::GridPermutation(std::uint64_t size, const RandomStream& stream, std::span<std::uint32_t> tables)
    : size_(size),
      column_bits_(grid_column_bits(size)),
      rows_(static_cast<std::uint32_t>(grid_rows(size))),
      tables_(tables.data()) {
  const std::uint64_t columns = std::uint64_t{1} << column_bits_;
  std::uint32_t* next = tables.data();
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    const std::uint64_t key = stream.bits(round);
    const std::uint64_t bound = round % 2 == 0 ? rows_ : columns;
    const std::uint64_t indices = round % 2 == 0 ? columns : rows_;
    for (std::uint64_t i = 0; i < indices; ++i)
      *next++ = static_cast<std::uint32_t>((scrambled(i ^ key) >> 32U) * bound >> 32U);
  }
}

// Two rounds add to the row what belongs to the column, and mix into the column what belongs to the row.
inline std::uint32_t GridPermutation::encrypt(std::uint32_t value) const {
  const std::size_t columns = std::size_t{1} << column_bits_;
  std::uint32_t row = value >> column_bits_;
  std::uint32_t column = value & static_cast<std::uint32_t>(columns - 1);
  const std::uint32_t* table = tables_;
  for (int round = 0; round < kRounds; round += 2, table += columns + rows_) {
    row += table[column];
    row = std::min(row, row - rows_);  // wraps around below the bound
    column ^= table[columns + row];
  }
  return row << column_bits_ | column;
}

void GridPermutation::fill(std::uint64_t first, std::span<std::uint32_t> out) const {
  const GridPermutation self = *this;  // no store to `out` changes it
  for (std::size_t k = 0; k < out.size(); ++k) {
    std::uint32_t value = static_cast<std::uint32_t>(first + k);
    do value = self.encrypt(value);
    while (value >= self.size_);
    out[k] = value;
  }
}

}  // namespace tessera
