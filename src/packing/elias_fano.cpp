// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/elias_fano.hpp"

namespace tessera::packing {
namespace {

constexpr unsigned kMostLowBits = 56;

/// Calls visit(position) for every set bit.
template <class Visit>
void for_each_one(std::span<const std::uint64_t> words, const Visit& visit) {
  for (std::size_t w = 0; w < words.size(); ++w)
    for (std::uint64_t bits = words[w]; bits != 0; bits &= bits - 1)
      visit(64 * w + static_cast<unsigned>(std::countr_zero(bits)));
}

}  // namespace

unsigned EliasFano::choose_low_width(std::uint64_t count, std::uint64_t last) {
  const std::uint64_t gap = count == 0 ? 0 : last / count;
  return gap == 0 ? 0 : static_cast<unsigned>(std::bit_width(gap)) - 1;
}

EliasFano EliasFano::encode(std::span<const std::uint64_t> values) {
  EliasFano packed;
  packed.count = values.size();
  const std::uint64_t last = values.empty() ? 0 : values.back();
  packed.low_width = choose_low_width(packed.count, last);
  BitWriter writer(packed.low);
  packed.high.assign((packed.count + (last >> packed.low_width)) / 64 + 1, 0);
  for (std::uint64_t i = 0; i < values.size(); ++i) {
    writer.put(values[i] & ((std::uint64_t{1} << packed.low_width) - 1), packed.low_width);
    const std::uint64_t position = i + (values[i] >> packed.low_width);
    packed.high[position / 64] |= std::uint64_t{1} << (position % 64);
  }
  writer.align();
  packed.low.resize(packed.low.size() + kPadding);
  return packed;
}

bool EliasFanoView::is_sound(std::uint64_t count, unsigned low_width, std::span<const std::uint8_t> low,
                             std::span<const std::uint64_t> high, std::uint64_t bound) {
  if (low_width > kMostLowBits || count > 64 * high.size() || 64 * high.size() > UINT32_MAX ||
      low.size() != bytes_of_bits(count * low_width) + kPadding)
    return false;
  std::uint64_t found = 0;
  std::uint64_t next = 0;  // least value of the next number
  bool ascends = true;
  for_each_one(high, [&](std::uint64_t position) {
    if (found < count && ascends) {
      const std::uint64_t upper = position - found;
      const std::uint64_t value = upper << low_width | load_bits(low.data(), found * low_width, low_width);
      ascends = value >> low_width == upper && value >= next && value < bound;
      next = value + 1;
    }
    ++found;
  });
  return ascends && found == count;
}

std::uint64_t EliasFanoView::lower_bound(std::uint64_t value) const {
  std::uint64_t low = 0;
  for (std::uint64_t high = count_; low < high;) {
    const std::uint64_t middle = low + (high - low) / 2;
    if ((*this)[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void EliasFanoView::sample(std::span<const std::uint64_t> high, std::span<std::uint32_t> samples) {
  std::uint64_t i = 0;
  for_each_one(high, [&](std::uint64_t position) {
    if (i % kSampled == 0) samples[i / kSampled] = static_cast<std::uint32_t>(position);
    ++i;
  });
}

}  // namespace tessera::packing
