// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_LOG8_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_LOG8_INL
#undef TESSERA_KERNELS_CPU_LOG8_INL
#else
#define TESSERA_KERNELS_CPU_LOG8_INL
#endif

#include "kernels/cpu/detail/stored_inl.hpp"
#include "kernels/log8.hpp"

#include <array>
#include <cstdint>

// A state in 8 bits by the operations of log8.hpp, as one of the formats of stored_inl.hpp.
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// One of four numbers in each lane, by a lane of 0 .. 3.
template <class D>
HWY_INLINE Vec<D> one_of(D d, const std::array<hn::TFromD<D>, 4>& numbers, Vec<Signed<D>> which) {
  if constexpr (hn::MaxLanes(D()) >= 8) {
    const auto table = hn::LoadDup128(d, numbers.data());
    return hn::TableLookupLanes(table, hn::IndicesFromVec(d, which));
  } else {
    const Signed<D> s;
    const auto reached = [=](std::int32_t bound) HWY_ATTR { return hn::RebindMask(d, reaches(s, which, bound)); };
    const auto low = hn::IfThenElse(reached(1), hn::Set(d, numbers[1]), hn::Set(d, numbers[0]));
    const auto high = hn::IfThenElse(reached(3), hn::Set(d, numbers[3]), hn::Set(d, numbers[2]));
    return hn::IfThenElse(reached(2), high, low);
  }
}

/// log8_level() of the four quarters.
alignas(16) constexpr std::array<std::int32_t, 4> kLevelBits = {
    static_cast<std::int32_t>(log8_level(0).bits), static_cast<std::int32_t>(log8_level(1).bits),
    static_cast<std::int32_t>(log8_level(2).bits), static_cast<std::int32_t>(log8_level(3).bits)};
alignas(16) constexpr std::array<float, 4> kLevelSteps = {log8_level(0).step, log8_level(1).step, log8_level(2).step,
                                                          log8_level(3).step};
/// The level that is above 0, 1/4, 1/2 and 3/4 of an octave's bits, and below the next of them.
alignas(16) constexpr std::array<std::int32_t, 4> kNextLevels = {kLevelBits[1], kLevelBits[2], kLevelBits[3], 0x800000};

struct LogBytes {
  using Stored = std::uint8_t;
  using Bits = RowBits;
  template <class D>
  static HWY_INLINE Vec<D> load(D d, const Stored* at) {
    const Signed<D> s;
    const auto code = hn::PromoteTo(s, hn::LoadU(hn::Rebind<std::uint8_t, D>(), at));
    const auto behind = one_of(s, kLevelBits, hn::And(code, hn::Set(s, 3)));
    const auto exponent = hn::Add(hn::ShiftRight<2>(code), hn::Set(s, static_cast<std::int32_t>(kLog8Exponent)));
    const auto bits = hn::Or(hn::ShiftLeft<23>(exponent), behind);
    return hn::BitCast(d, hn::IfThenElseZero(hn::Gt(code, hn::Zero(s)), bits));
  }
  template <class D>
  static HWY_INLINE void store(D d, Vec<D> value, Vec<Unsigned<D>> random, Stored* at) {
    const Signed<D> s;
    const auto bits = hn::And(hn::BitCast(s, value), hn::Set(s, 0x7FFFFFFF));
    const auto behind = hn::And(bits, hn::Set(s, 0x7FFFFF));
    const auto fourth = hn::ShiftRight<21>(behind);
    const auto is_below = hn::Gt(one_of(s, kNextLevels, fourth), behind);
    const auto quarter = hn::Add(fourth, hn::IfThenZeroElse(is_below, hn::Set(s, 1)));
    const auto above = hn::ConvertTo(d, hn::Sub(behind, one_of(s, kLevelBits, quarter)));
    const auto chance = hn::Mul(hn::ConvertTo(d, hn::BitCast(s, random)), one_of(d, kLevelSteps, quarter));
    const auto goes_up = hn::IfThenElseZero(hn::RebindMask(s, hn::Gt(above, chance)), hn::Set(s, 1));
    const auto octave = hn::Sub(hn::ShiftRight<23>(bits), hn::Set(s, static_cast<std::int32_t>(kLog8Exponent)));
    const auto code = hn::Add(hn::Add(hn::ShiftLeft<2>(octave), quarter), goes_up);
    const auto in_range = hn::Min(hn::Max(code, hn::Set(s, 1)), hn::Set(s, 255));
    const hn::Rebind<std::uint8_t, D> d8;
    hn::StoreU(hn::DemoteTo(d8, hn::IfThenElseZero(hn::Gt(bits, hn::Zero(s)), in_range)), d8, at);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
