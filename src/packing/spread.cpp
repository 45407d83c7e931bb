// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/elias_fano.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/spread.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
/// A word of bits and the one before it, which come before it in `high`.
struct Words {
  std::uint64_t before = 0;
  std::uint64_t now = 0;
  HWY_INLINE void push(std::uint64_t next) {
    before = now;
    now = next;
  }
  /// Bit i is the one that stands `k` before it.
  template <int k>
  HWY_INLINE std::uint64_t delayed() const {
    return now << k | before >> (64 - k);
  }
};

/// Sets those bits from `first` on that are set in `bits`.
HWY_INLINE void put(std::uint64_t bits, std::uint64_t first, std::uint64_t* rows) {
  if (bits == 0) return;
  const unsigned shift = first % 64;
  rows[first / 64] |= bits << shift;
  const std::uint64_t carried = bits >> 1 >> (63 - shift);
  if (carried != 0) rows[first / 64 + 1] |= carried;
}

/// The bits from `i` on; those behind the last word are 0.
HWY_INLINE std::uint64_t bits_from(std::span<const std::uint64_t> words, std::uint64_t i) {
  const std::uint64_t w = i / 64;
  const unsigned shift = i % 64;
  const std::uint64_t low = w < words.size() ? words[w] >> shift : 0;
  return low | (w + 1 < words.size() ? words[w + 1] << 1 << (63 - shift) : 0);
}

/// Numbers with at most one low bit, a word of `high` at a time. Its zeros are the pairs of numbers 2 u and 2 u + 1
/// (or, without low bits, the numbers), and ones stand before the zero of their pair.
HWY_INLINE void spread_dense(const EliasFanoView::Parts& list, std::span<const std::uint64_t> values,
                             std::uint64_t* rows) {
  constexpr std::uint64_t kEven = 0x5555555555555555U;
  Words ones;
  Words even;  // ones whose value is set, by the low bit of their number
  Words odd;
  std::uint64_t i = 0;
  std::uint64_t first = 0;  // number of the next zero
  for (std::uint64_t w = 0; w <= list.high.size(); ++w) {
    const std::uint64_t high = w < list.high.size() ? list.high[w] : 0;
    const std::uint64_t chosen = bits_from(values, i);
    const std::uint64_t low = list.low_width == 0 ? 0 : load_bits(list.low, i, 57);
    ones.push(high);
    even.push(_pdep_u64(chosen & ~low, high));
    odd.push(_pdep_u64(chosen & low, high));
    i += static_cast<unsigned>(std::popcount(high));
    // Two ones of a pair are its even number and its odd one.
    const std::uint64_t evens = _pext_u64(even.delayed<1>() | (even.delayed<2>() & ones.delayed<1>()), ~high);
    const std::uint64_t odds = _pext_u64(odd.delayed<1>(), ~high);
    const auto zeros = static_cast<unsigned>(std::popcount(~high));
    if (list.low_width == 0) {
      put(evens, first, rows);
    } else {
      put(_pdep_u64(evens, kEven) | _pdep_u64(odds, ~kEven), first, rows);
      put(_pdep_u64(evens >> 32U, kEven) | _pdep_u64(odds >> 32U, ~kEven), first + 64, rows);
    }
    first += std::uint64_t{zeros} << list.low_width;
  }
}
#endif

void spread_all(const EliasFanoView::Parts& list, std::span<const std::uint64_t> values, std::uint64_t* rows) {
  const unsigned width = list.low_width;
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
  if (width <= 1) return spread_dense(list, values, rows);
#endif
  const std::uint8_t* low = list.low;
  std::uint64_t i = 0;
  std::uint64_t word = 0;  // of rows, and the bits that are set in it
  std::uint64_t set = 0;
  for (std::uint64_t w = 0; w < list.high.size(); ++w)
    for (std::uint64_t bits = list.high[w]; bits != 0; bits &= bits - 1, ++i) {
      const std::uint64_t upper = 64 * w + static_cast<unsigned>(std::countr_zero(bits)) - i;
      const std::uint64_t number = upper << width | load_bits(low, i * width, width);
      if (number / 64 != word) {
        rows[word] |= set;
        word = number / 64;
        set = 0;
      }
      set |= (values[i / 64] >> (i % 64) & 1) << (number % 64);
    }
  rows[word] |= set;
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing {
namespace detail {

HWY_EXPORT(spread_all);

namespace {
void spread_widest(const EliasFanoView::Parts& list, std::span<const std::uint64_t> values, std::uint64_t* rows) {
  HWY_DYNAMIC_DISPATCH(spread_all)(list, values, rows);
}
}  // namespace

}  // namespace detail

void EliasFanoView::spread(std::span<const std::uint64_t> values, std::span<std::uint64_t> rows) const {
  if (count_ > 0) detail::spread_widest({low_width_, low_, high_, samples_}, values, rows.data());
}

}  // namespace tessera::packing
#endif
