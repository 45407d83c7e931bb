// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/elias_fano.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/gather.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "packing/detail/kernels-inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {

/// Position of the set bit that `left` others come before, counted from bit `start`.
HWY_INLINE std::uint64_t position_behind(std::span<const std::uint64_t> high, std::uint64_t start, std::uint32_t left) {
  std::uint64_t word = start / 64;
  const std::uint64_t wanted = ~std::uint64_t{0} << (start % 64);
  std::uint64_t bits = high[word] & wanted;
  if (word + 3 < high.size()) {                            // nearly always: without a branch that depends on the bits
    const std::uint32_t second = left - count_ones(bits);  // what is left in the next word; wraps around in this one
    const std::uint32_t third = second - count_ones(high[word + 1]);
    const std::uint32_t fourth = third - count_ones(high[word + 2]);
    const std::uint32_t skipped = 3 - (second >> 31U) - (third >> 31U) - (fourth >> 31U);
    left = std::min(std::min(left, second), std::min(third, fourth));
    word += skipped;
    bits = high[word] & (wanted | (0 - std::uint64_t{(skipped + 3) / 4}));
  }
  for (std::uint32_t found = count_ones(bits); found <= left; found = count_ones(bits)) {
    left -= found;
    bits = high[++word];
  }
  return 64 * word + position_of_one(bits, left);
}

void gather_all(const EliasFanoView::Parts& list, std::span<const std::uint32_t> at, std::uint32_t less,
                std::uint64_t* out) {
  const std::span<const std::uint64_t> high = list.high;
  const std::uint32_t* samples = list.samples;
  for (std::size_t k = 0; k < at.size(); ++k) {
    const std::uint32_t i = at[k] - less;
    out[k] = position_behind(high, samples[i / EliasFanoView::kSampled], i % EliasFanoView::kSampled) - i;
  }
  const unsigned width = list.low_width;
  const std::uint8_t* low = list.low;
  if (width == 0) return;
  for (std::size_t k = 0; k < at.size(); ++k)
    out[k] = out[k] << width | load_bits(low, std::uint64_t{at[k] - less} * width, width);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing {

namespace detail {

HWY_EXPORT(gather_all);

namespace {
void gather_widest(const EliasFanoView::Parts& list, std::span<const std::uint32_t> at, std::uint32_t less,
                   std::uint64_t* out) {
  HWY_DYNAMIC_DISPATCH(gather_all)(list, at, less, out);
}
}  // namespace

}  // namespace detail

void EliasFanoView::gather(std::span<const std::uint32_t> at, std::uint32_t less, std::uint64_t* out) const {
  detail::gather_widest({low_width_, low_, high_, samples_}, at, less, out);
}

}  // namespace tessera::packing
#endif
