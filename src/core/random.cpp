// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/random.hpp"

#include "core/error.hpp"

#include <Random123/philox.h>

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
}  // namespace

Permutation::Permutation(std::uint64_t size, const RandomStream& stream) : size_(size) {
  const auto bits = static_cast<unsigned>(std::bit_width(size > 0 ? size - 1 : 0));
  half_bits_ = bits < 2 ? 1 : (bits + 1) / 2;
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

}  // namespace tessera
