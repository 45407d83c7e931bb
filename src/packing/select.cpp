// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/select.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/select.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::packing {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Whole words of 64 bits.
void select_words(const std::uint32_t* values, std::size_t words, std::uint32_t low, std::uint32_t high,
                  std::uint64_t* bits) {
  const hn::CappedTag<std::uint32_t, 64> d;
  const auto least = hn::Set(d, low);
  const auto span = hn::Set(d, high - low);
  for (std::size_t word = 0; word < words; ++word) {
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < 64; i += hn::Lanes(d)) {
      const auto above = hn::Sub(hn::LoadU(d, values + 64 * word + i), least);
      const auto in = hn::Eq(hn::Min(above, span), above);
      std::uint8_t mask[8] = {};
      hn::StoreMaskBits(d, in, mask);
      std::uint64_t some = 0;
      __builtin_memcpy(&some, mask, sizeof(some));
      found |= some << i;
    }
    bits[word] |= found;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing {

HWY_EXPORT(select_words);

void select_range(const std::uint32_t* values, std::size_t count, std::uint32_t low, std::uint32_t high,
                  std::uint64_t* bits) {
  HWY_DYNAMIC_DISPATCH(select_words)(values, count / 64, low, high, bits);
  for (std::size_t i = count / 64 * 64; i < count; ++i)
    if (values[i] >= low && values[i] <= high) bits[i / 64] |= std::uint64_t{1} << (i % 64);
}

}  // namespace tessera::packing
#endif
