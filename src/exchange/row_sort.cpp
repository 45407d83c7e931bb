// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/row_sort.hpp"

#include <algorithm>
#include <array>

namespace tessera::exchange {

void radix_sort(std::span<std::uint64_t> keys, std::span<std::uint64_t> scratch, unsigned low_bit, unsigned high_bit) {
  constexpr unsigned kDigitBits = 11;
  std::array<std::uint32_t, 1U << kDigitBits> starts;
  std::span<std::uint64_t> from = keys;
  std::span<std::uint64_t> to = scratch.first(keys.size());
  for (unsigned shift = low_bit; shift < high_bit; shift += kDigitBits) {
    const std::uint64_t mask = (std::uint64_t{1} << std::min(kDigitBits, high_bit - shift)) - 1;
    starts.fill(0);
    for (const std::uint64_t key : from) ++starts[(key >> shift) & mask];
    std::uint32_t sum = 0;
    for (std::uint32_t& start : starts) {
      const std::uint32_t count = start;
      start = sum;
      sum += count;
    }
    for (const std::uint64_t key : from) to[starts[(key >> shift) & mask]++] = key;
    std::swap(from, to);
  }
  if (from.data() != keys.data()) std::copy(from.begin(), from.end(), keys.begin());
}

}  // namespace tessera::exchange
