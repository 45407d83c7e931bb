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

/// Position of set bit i, which lies behind `start`.
HWY_INLINE std::uint64_t position(const std::uint64_t* high, std::uint64_t words, std::uint64_t start, unsigned left) {
  std::uint64_t word = start / 64;
  std::uint64_t bits = high[word] & ~std::uint64_t{0} << (start % 64);
  if (word + 3 < words) {  // nearly always: without a branch that depends on the bits
    const unsigned first = count_ones(bits);
    const unsigned second = first + count_ones(high[word + 1]);
    const unsigned third = second + count_ones(high[word + 2]);
    const std::uint64_t skipped = (left >= first ? 1U : 0U) + (left >= second ? 1U : 0U) + (left >= third ? 1U : 0U);
    const std::uint64_t next = high[word + skipped];
    bits = skipped == 0 ? bits : next;
    left = std::min(std::min(left, left - first), std::min(left - second, left - third));  // others wrap around
    word += skipped;
  }
  for (unsigned found = count_ones(bits); found <= left; found = count_ones(bits)) {
    left -= found;
    bits = high[++word];
  }
  return 64 * word + position_of_one(bits, left);
}

void gather_all(const EliasFanoView::Parts& list, std::span<const std::uint32_t> at, std::uint32_t less,
                std::uint64_t* out) {
  for (const std::uint32_t number : at) {
    const std::uint64_t i = number - less;
    const auto left = static_cast<unsigned>(i % EliasFanoView::kSampled);
    const std::uint64_t upper =
        position(list.high.data(), list.high.size(), list.samples[i / EliasFanoView::kSampled], left) - i;
    *out++ = upper << list.low_width | load_bits(list.low, i * list.low_width, list.low_width);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing {

namespace detail {

HWY_EXPORT(gather_all);

}  // namespace detail

void EliasFanoView::gather(std::span<const std::uint32_t> at, std::uint32_t less, std::uint64_t* out) const {
  using namespace detail;
  HWY_DYNAMIC_DISPATCH(gather_all)({low_width_, low_, high_, samples_}, at, less, out);
}

}  // namespace tessera::packing
#endif
