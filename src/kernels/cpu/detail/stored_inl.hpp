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
#include "kernels/log8.hpp"
#include "kernels/stored_rows.hpp"

#include <cstddef>
#include <cstdint>

// Elements of every format as registers of floats, by the operations of bfloat16.hpp, half.hpp, scaled_bytes.hpp and
// log8.hpp, and so with their bits. A format reads: load(d, at), and writes: store(d, value, random, at), where `at` is
// the first of the elements, and `random` has 16 bits in each lane.
HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

template <class D>
using Unsigned = hn::RebindToUnsigned<D>;
template <class D>
using Signed = hn::RebindToSigned<D>;

/// Rounding::bits_of a row, for as many columns as a register has.
class RowBits {
 public:
  explicit RowBits(std::uint64_t row_key)
      : low_(static_cast<std::uint32_t>(row_key)), high_(static_cast<std::uint32_t>(row_key >> 32U)) {}
  template <class D>
  HWY_INLINE Vec<Unsigned<D>> at(D /*d*/, std::size_t column) const {
    const Unsigned<D> u;
    const auto columns = hn::Iota(u, static_cast<std::uint32_t>(column));
    auto word = hn::Add(hn::Set(u, low_), hn::Mul(columns, hn::Set(u, 0x9E3779B9U)));
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
    const Unsigned<D> u;
    const auto half = load_halves(d, at);
    const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(u, 0x8000U)));
    const auto magnitude = hn::ShiftLeft<13>(hn::And(half, hn::Set(u, 0x7FFFU)));
    const auto finite = hn::BitCast(u, hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 0x1p112F)));
    const auto large = hn::Or(magnitude, hn::Set(u, 0x7F800000U));
    const auto is_large = reaches(Signed<D>(), hn::BitCast(Signed<D>(), magnitude), 0x7C00 << 13);
    return hn::BitCast(d, hn::Or(sign, hn::IfThenElse(hn::RebindMask(u, is_large), large, finite)));
  }
  template <class D>
  static HWY_INLINE void store(D d, Vec<D> value, Vec<Unsigned<D>> random, Stored* at) {
    const Unsigned<D> u;
    const Signed<D> s;
    const auto bits = hn::BitCast(u, value);
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 0x8000U));
    const auto magnitude = hn::And(bits, hn::Set(u, 0x7FFFFFFFU));
    const auto is_large = hn::RebindMask(u, reaches(s, hn::BitCast(s, magnitude), 0x47800000));
    const auto finite = hn::IfThenZeroElse(is_large, magnitude);
    const auto exponent = hn::BitCast(u, hn::Max(hn::BitCast(s, hn::ShiftRight<23>(finite)), hn::Set(s, 113)));
    const auto scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::Sub(hn::Set(u, 280U), exponent)));
    const auto parts = hn::BitCast(u, hn::ConvertTo(s, hn::Mul(hn::BitCast(d, finite), scale)));
    const auto rounded =
        hn::Add(hn::ShiftLeft<10>(hn::Sub(exponent, hn::Set(u, 113U))), hn::ShiftRight<16>(hn::Add(parts, random)));
    const auto number = hn::Or(sign, hn::IfThenElse(is_large, hn::Set(u, kHalfInfinity), rounded));
    store_halves(d, hn::IfThenElse(is_nan(d, value), hn::Set(u, std::uint32_t{kHalfNan}), number), at);
  }
};

/// Picks the number of a level from those of the four, by which levels were reached.
template <class M, class V>
HWY_INLINE V of_level(M one, M two, M three, V zeroth, V first, V second, V third) {
  return hn::IfThenElse(three, third, hn::IfThenElse(two, second, hn::IfThenElse(one, first, zeroth)));
}

struct LogBytes {
  using Stored = std::uint8_t;
  using Bits = RowBits;
  template <class D>
  static HWY_INLINE Vec<D> load(D d, const Stored* at) {
    const Signed<D> s;
    const auto code = hn::PromoteTo(s, hn::LoadU(hn::Rebind<std::uint8_t, D>(), at));
    const auto quarter = hn::And(code, hn::Set(s, 3));
    const auto behind = of_level(reaches(s, quarter, 1), reaches(s, quarter, 2), reaches(s, quarter, 3), bits_of(s, 0),
                                 bits_of(s, 1), bits_of(s, 2), bits_of(s, 3));
    const auto exponent = hn::Add(hn::ShiftRight<2>(code), hn::Set(s, static_cast<std::int32_t>(kLog8Exponent)));
    const auto bits = hn::Or(hn::ShiftLeft<23>(exponent), behind);
    return hn::BitCast(d, hn::IfThenElseZero(hn::Gt(code, hn::Zero(s)), bits));
  }
  template <class D>
  static HWY_INLINE void store(D d, Vec<D> value, Vec<Unsigned<D>> random, Stored* at) {
    const Signed<D> s;
    const auto bits = hn::And(hn::BitCast(s, value), hn::Set(s, 0x7FFFFFFF));
    const auto behind = hn::And(bits, hn::Set(s, 0x7FFFFF));
    const auto one = reaches(s, behind, static_cast<std::int32_t>(log8_level(1).bits));
    const auto two = reaches(s, behind, static_cast<std::int32_t>(log8_level(2).bits));
    const auto three = reaches(s, behind, static_cast<std::int32_t>(log8_level(3).bits));
    const auto level = of_level(one, two, three, bits_of(s, 0), bits_of(s, 1), bits_of(s, 2), bits_of(s, 3));
    const auto step = of_level(hn::RebindMask(d, one), hn::RebindMask(d, two), hn::RebindMask(d, three), step_of(d, 0),
                               step_of(d, 1), step_of(d, 2), step_of(d, 3));
    const auto quarter = of_level(one, two, three, hn::Zero(s), hn::Set(s, 1), hn::Set(s, 2), hn::Set(s, 3));
    const auto above = hn::ConvertTo(d, hn::Sub(behind, level));
    const auto chance = hn::Mul(hn::ConvertTo(d, hn::BitCast(s, random)), step);
    const auto goes_up = hn::IfThenElseZero(hn::RebindMask(s, hn::Gt(above, chance)), hn::Set(s, 1));
    const auto octave = hn::Sub(hn::ShiftRight<23>(bits), hn::Set(s, static_cast<std::int32_t>(kLog8Exponent)));
    const auto code = hn::Add(hn::Add(hn::ShiftLeft<2>(octave), quarter), goes_up);
    const auto in_range = hn::Min(hn::Max(code, hn::Set(s, 1)), hn::Set(s, 255));
    const hn::Rebind<std::uint8_t, D> d8;
    hn::StoreU(hn::DemoteTo(d8, hn::IfThenElseZero(hn::Gt(bits, hn::Zero(s)), in_range)), d8, at);
  }

 private:
  template <class S>
  static HWY_INLINE Vec<S> bits_of(S s, std::uint32_t quarter) {
    return hn::Set(s, static_cast<std::int32_t>(log8_level(quarter).bits));
  }
  template <class D>
  static HWY_INLINE Vec<D> step_of(D d, std::uint32_t quarter) {
    return hn::Set(d, log8_level(quarter).step);
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
