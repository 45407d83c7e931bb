// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_STORED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_STORED_INL
#undef TESSERA_KERNELS_CPU_STORED_INL
#else
#define TESSERA_KERNELS_CPU_STORED_INL
#endif

#include "kernels/bfloat16.hpp"
#include "kernels/cpu/detail/simd_inl.hpp"
#include "kernels/half.hpp"
#include "kernels/stored_rows.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

// Elements of every format as registers of floats, by the operations of bfloat16.hpp, half.hpp, scaled_bytes.hpp, and
// so with their bits. A format reads: load(d, at), and writes: store(d, value, random, at), where `at` is the first of
// the elements, and `random` has 16 bits in each lane.
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

template <class D>
using Unsigned = hn::RebindToUnsigned<D>;
template <class D>
using Signed = hn::RebindToSigned<D>;

/// Steps from a column to those after it (Highway's Iota goes through memory).
alignas(64) constexpr std::array<std::uint32_t, 16> kColumnSteps = [] {
  std::array<std::uint32_t, 16> steps{};
  for (std::uint32_t column = 0; column < steps.size(); ++column) steps[column] = column * Rounding::kColumnStep;
  return steps;
}();

/// Rounding::bits_of a row, for as many columns as a register has.
class RowBits {
 public:
  explicit RowBits(std::uint64_t row_key)
      : low_(static_cast<std::uint32_t>(row_key)), high_(static_cast<std::uint32_t>(row_key >> 32U)) {}
  template <class D>
  HWY_INLINE Vec<Unsigned<D>> at(D /*d*/, std::size_t column) const {
    const Unsigned<D> u;
    const std::uint32_t first = low_ + static_cast<std::uint32_t>(column) * Rounding::kColumnStep;
    auto word = hn::Add(hn::Set(u, first), hn::Load(u, kColumnSteps.data()));
    word = hn::Mul(hn::Xor(word, hn::ShiftRight<16>(word)), hn::Set(u, 0x7FEB352DU));
    word = hn::Xor(word, hn::Set(u, high_));
    word = hn::Mul(hn::Xor(word, hn::ShiftRight<15>(word)), hn::Set(u, 0x846CA68BU));
    return hn::ShiftRight<16>(word);
  }

 private:
  std::uint32_t low_;
  std::uint32_t high_;
};

/// No bits, for a format that needs none.
struct NoBits {
  explicit NoBits(std::uint64_t /*row_key*/) {}
  template <class D>
  HWY_INLINE NoBits at(D /*d*/, std::size_t /*column*/) const {
    return *this;
  }
};

struct Fp32 {
  using Stored = float;
  using Bits = NoBits;
  template <class D>
  static HWY_INLINE Vec<D> load(D d, const Stored* at) {
    return hn::LoadU(d, at);
  }
  template <class D>
  static HWY_INLINE void store(D d, Vec<D> value, NoBits /*random*/, Stored* at) {
    hn::StoreU(value, d, at);
  }
};

/// The lower halves of 32-bit numbers, all below 2^16.
template <class D>
HWY_INLINE void store_halves(D /*d*/, Vec<Unsigned<D>> halves, std::uint16_t* at) {
  const hn::Rebind<std::uint16_t, D> d16;
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(Signed<D>(), halves)), d16, at);
}

template <class D>
HWY_INLINE Vec<Unsigned<D>> load_halves(D /*d*/, const std::uint16_t* at) {
  return hn::PromoteTo(Unsigned<D>(), hn::LoadU(hn::Rebind<std::uint16_t, D>(), at));
}

template <class D>
HWY_INLINE auto is_nan(D /*d*/, Vec<D> value) {
  return hn::RebindMask(Unsigned<D>(), hn::Ne(value, value));
}

/// Lanes of integers that are at least `bound`.
template <class S>
HWY_INLINE auto reaches(S s, Vec<S> value, std::int32_t bound) {
  return hn::Gt(value, hn::Set(s, bound - 1));
}

struct Bf16 {
  using Stored = std::uint16_t;
  using Bits = RowBits;
  template <class D>
  static HWY_INLINE Vec<D> load(D d, const Stored* at) {
    return hn::BitCast(d, hn::ShiftLeft<16>(load_halves(d, at)));
  }
  template <class D>
  static HWY_INLINE void store(D d, Vec<D> value, Vec<Unsigned<D>> random, Stored* at) {
    const Unsigned<D> u;
    const auto bits = hn::BitCast(u, value);
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, random));
    store_halves(d, hn::IfThenElse(is_nan(d, value), hn::Set(u, std::uint32_t{kBfloat16Nan}), rounded), at);
  }
};

struct Fp16 {
  using Stored = std::uint16_t;
  using Bits = RowBits;
  template <class D>
  static HWY_INLINE Vec<D> load(D d, const Stored* at) {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(d, from_half(*at));
#else
    const hn::Rebind<hwy::float16_t, D> d16;
    return hn::PromoteTo(d, hn::BitCast(d16, hn::LoadU(hn::RebindToUnsigned<decltype(d16)>(), at)));
#endif
  }
  template <class D>
  static HWY_INLINE void store(D d, Vec<D> value, Vec<Unsigned<D>> random, Stored* at) {
    const Unsigned<D> u;
    const Signed<D> s;
    const auto bits = hn::BitCast(u, value);
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 0x8000U));
    const auto magnitude = hn::And(bits, hn::Set(u, 0x7FFFFFFFU));
    // A normal number has the bits of a float with another bias.
    const auto parts = hn::ShiftLeft<3>(hn::Sub(magnitude, hn::Set(u, 112U << 23U)));
    const auto number = hn::Or(sign, hn::ShiftRight<16>(hn::Add(parts, random)));
    const auto above = hn::BitCast(s, hn::Sub(magnitude, hn::Set(u, 113U << 23U)));
    const auto is_rare = hn::Or(hn::Lt(above, hn::Zero(s)), reaches(s, above, 30 << 23));
    if (HWY_LIKELY(hn::AllFalse(s, is_rare))) return store_halves(d, number, at);
    store_halves(d, hn::IfThenElse(hn::RebindMask(u, is_rare), rare(d, value, random), number), at);
  }

 private:
  /// Denormal numbers, infinity and NaN.
  template <class D>
  static HWY_INLINE Vec<Unsigned<D>> rare(D d, Vec<D> value, Vec<Unsigned<D>> random) {
    const Unsigned<D> u;
    const Signed<D> s;
    const auto bits = hn::BitCast(u, value);
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 0x8000U));
    const auto magnitude = hn::BitCast(s, hn::And(bits, hn::Set(u, 0x7FFFFFFFU)));
    const auto is_small = hn::Lt(magnitude, hn::Set(s, 113 << 23));
    const auto small = hn::BitCast(d, hn::IfThenElseZero(is_small, magnitude));
    const auto parts = hn::BitCast(u, hn::ConvertTo(s, hn::Mul(small, hn::Set(d, 0x1p40F))));
    const auto rounded = hn::ShiftRight<16>(hn::Add(parts, random));
    const auto infinity = hn::Set(u, kHalfInfinity);
    const auto number = hn::Or(sign, hn::IfThenElse(hn::RebindMask(u, is_small), rounded, infinity));
    return hn::IfThenElse(is_nan(d, value), hn::Set(u, std::uint32_t{kHalfNan}), number);
  }
};

/// Codes of an int8 row times its scale.
template <class D>
HWY_INLINE Vec<D> load_codes(D d, const std::int8_t* at, float scale) {
  const auto codes = hn::PromoteTo(Signed<D>(), hn::LoadU(hn::Rebind<std::int8_t, D>(), at));
  return hn::Mul(hn::ConvertTo(d, codes), hn::Set(d, scale));
}

/// Rounds to codes, whose inverse scale is not 0.
template <class D>
HWY_INLINE void store_codes(D d, Vec<D> value, float inverse, Vec<Unsigned<D>> random, std::int8_t* at) {
  const Signed<D> s;
  const hn::Rebind<std::int8_t, D> d8;
  const auto scaled = hn::Mul(hn::Mul(value, hn::Set(d, inverse)), hn::Set(d, 16384.0F));
  const auto parts = hn::Sub(hn::BitCast(s, hn::Add(scaled, hn::Set(d, 0x1.8p23F))), hn::Set(s, 0x4B400000));
  const auto offset = hn::BitCast(s, hn::ShiftRight<2>(random));
  hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<14>(hn::Add(parts, offset))), d8, at);
}

/// Elements of one row of a format in memory.
template <class Format>
struct RowReader {
  const typename Format::Stored* data;
  template <class D>
  HWY_INLINE Vec<D> load(D d, std::size_t c) const {
    return Format::load(d, data + c);
  }
};

struct CodeReader {
  const std::int8_t* codes;
  float scale;
  template <class D>
  HWY_INLINE Vec<D> load(D d, std::size_t c) const {
    return load_codes(d, codes + c, scale);
  }
};

/// Calls body(reader) with the elements of an int8 row, wherever they are.
template <class Body>
HWY_INLINE void with_reader(const std::byte* row, ConstMatrix hot, const Body& body) {
  if (is_hot(row)) return body(RowReader<Fp32>{hot.row(hot_slot(row))});
  body(CodeReader{reinterpret_cast<const std::int8_t*>(row + sizeof(float)), bits_float(scale_bits(row))});
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
