// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The kernels of packed columns, once for each target of Highway. Files that are compiled for all targets include it.
#if defined(TESSERA_PACKING_KERNELS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_PACKING_KERNELS_INL
#undef TESSERA_PACKING_KERNELS_INL
#else
#define TESSERA_PACKING_KERNELS_INL
#endif

#include "packing/bits.hpp"
#include "packing/detail/lists.hpp"
#include "packing/detail/tables.hpp"
#include "packing/patched.hpp"
#include "packing/unpack.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

/// Whether vectors have eight numbers at least, and bytes are shuffled in blocks of 16.
#undef TESSERA_PACKING_IS_WIDE
#define TESSERA_PACKING_IS_WIDE (HWY_ARCH_X86 && HWY_MAX_BYTES >= 32)

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE unsigned count_ones(std::uint64_t bits) { return static_cast<unsigned>(std::popcount(bits)); }

/// Position of the set bit that `left` others come before; it exists.
HWY_INLINE unsigned position_of_one(std::uint64_t bits, unsigned left) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3  // on older processors PDEP may be slow
  return static_cast<unsigned>(std::countr_zero(_pdep_u64(std::uint64_t{1} << left, bits)));
#else
  unsigned position = 0;
  for (unsigned width = 32; width >= 8; width /= 2) {
    const unsigned before = count_ones(bits & ((std::uint64_t{1} << width) - 1));
    const unsigned skipped = left >= before ? width : 0;
    left -= left >= before ? before : 0;
    bits >>= skipped;
    position += skipped;
  }
  for (; left > 0; --left) bits &= bits - 1;
  return position + static_cast<unsigned>(std::countr_zero(bits));
#endif
}

/// As unpack().
HWY_INLINE void unpack_numbers(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
#if HWY_TARGET == HWY_SCALAR
  unpack_reference(bytes, width, count, out);
#else
  if (width > kShuffledWidth) return unpack_reference(bytes, width, count, out);
  const hn::Full128<std::uint8_t> half;
  const Shuffle& shuffle = kShuffles[width];
  const std::size_t second = 4 * width / 8;
#if TESSERA_PACKING_IS_WIDE
  const hn::CappedTag<std::uint32_t, kUnpackGroup> d;
  const hn::Repartition<std::uint8_t, decltype(d)> d8;
  const auto lanes = hn::LoadU(d8, shuffle.bytes[0].data());
  const auto shifts = hn::LoadU(d, shuffle.shifts[0].data());
  const auto mask = hn::Set(d, (1U << width) - 1);
  for (std::size_t i = 0; i < count; i += kUnpackGroup, bytes += width) {
    const auto both = hn::Combine(d8, hn::LoadU(half, bytes + second), hn::LoadU(half, bytes));
    const auto numbers = hn::BitCast(d, hn::TableLookupBytes(both, lanes));
    hn::StoreU(hn::And(hn::Shr(numbers, shifts), mask), d, out + i);
  }
#else
  const hn::Full128<std::uint32_t> d;
  const auto mask = hn::Set(d, (1U << width) - 1);
  for (std::size_t i = 0; i < count; i += kUnpackGroup, bytes += width)
    for (std::size_t k = 0; k < 2; ++k) {
      const auto loaded = hn::LoadU(half, bytes + k * second);
      const auto numbers = hn::BitCast(d, hn::TableLookupBytes(loaded, hn::LoadU(half, shuffle.bytes[k].data())));
      hn::StoreU(hn::And(hn::Shr(numbers, hn::LoadU(d, shuffle.shifts[k].data())), mask), d, out + i + 4 * k);
    }
#endif
#endif
}

/// The numbers of a patched column. `out` has room for 1,024 and a group. Returns what they add up to at most.
HWY_INLINE std::uint64_t read_column(const Patched& column, const std::uint8_t* bytes, std::uint32_t* out) {
  unpack_numbers(bytes, column.width, column.count, out);
  std::uint64_t most = column.count * ((std::uint64_t{1} << column.width) - 1);
  if (column.patches == 0) return most;
  const std::uint8_t* exceptions = bytes + column.low_bytes();
  const unsigned positions = column.position_width();
  const unsigned width = positions + column.high_width;
  std::uint64_t bit = 0;
  for (std::size_t k = 0; k < column.patches; ++k, bit += width) {
    const std::uint64_t bits = load_bits(exceptions, bit, width);
    const std::uint64_t above = bits >> positions << column.width;
    out[bits & ((std::uint64_t{1} << positions) - 1)] |= static_cast<std::uint32_t>(above);
    most += above;
  }
  return most;
}

#if TESSERA_PACKING_IS_WIDE

using D = hn::CappedTag<std::uint32_t, kListGroup>;
using V = hn::Vec<D>;

HWY_INLINE V table_row(const std::array<std::uint8_t, kListGroup>& row) {
  const hn::Rebind<std::uint8_t, D> d8;
  return hn::PromoteTo(D(), hn::LoadU(d8, row.data()));
}

HWY_INLINE V permuted(V values, V lanes) { return hn::TableLookupLanes(values, hn::IndicesFromVec(D(), lanes)); }

/// Sums of the lanes up to each.
HWY_INLINE V prefix_sums(V x) {
  const D d;
  x = hn::Add(x, hn::ShiftLeftLanes<1>(d, x));
  x = hn::Add(x, hn::ShiftLeftLanes<2>(d, x));
  const auto lane = hn::Iota(d, 0);
  return hn::Add(x, hn::IfThenElseZero(hn::Gt(lane, hn::Set(d, 3)), permuted(x, hn::Set(d, 3))));
}

/// As add_gaps(), for sums below 2^32. The eight numbers behind the last repeat it.
HWY_INLINE void add_small_gaps(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out) {
  const D d;
  const V end = hn::Set(d, 7);
  const V one = hn::Set(d, 1);
  V before = hn::Set(d, first);
  out[0] = first;
  for (std::size_t i = 0; i < count; i += kListGroup) {
    const V sums = prefix_sums(hn::Add(hn::LoadU(d, gaps + i), one));
    hn::StoreU(hn::Add(sums, before), d, out + i + 1);
    before = hn::Add(before, permuted(sums, end));
  }
  hn::StoreU(hn::Set(d, out[count]), d, out + count + 1);
}

/// First targets out of their column, in place. Returns the largest.
HWY_INLINE std::uint32_t end_firsts(bool are_changes, std::uint32_t base, std::size_t count, std::uint32_t* firsts) {
  const D d;
  const V one = hn::Set(d, 1);
  const V end = hn::Set(d, 7);
  V before = hn::Set(d, base);
  V largest = hn::Zero(d);
  for (std::size_t i = 0; i < count; i += kListGroup) {
    V value = hn::IfThenElseZero(hn::FirstN(d, count - i), hn::LoadU(d, firsts + i));
    if (are_changes) {
      value = hn::Xor(hn::ShiftRight<1>(value), hn::Sub(hn::Zero(d), hn::And(value, one)));
      const V sums = prefix_sums(value);
      value = hn::Add(sums, before);
      before = hn::Add(before, permuted(sums, end));
    } else {
      value = hn::Add(value, before);
    }
    hn::StoreU(value, d, firsts + i);
    largest = hn::Max(largest, value);
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

/// As join_lists(), for targets below 2^32. `sums` [gaps + 1 + a group]: of the gaps plus one before each, and behind
/// the last the sum of all.
HWY_INLINE std::uint64_t join_small_lists(const Lists& lists, const std::uint32_t* sums, std::size_t count,
                                          const JoinedLists& out) {
  const D d;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(lists.starts);
  const V lane = hn::Iota(d, 0);
  const V end = hn::Set(d, 7);
  V carried = hn::Zero(d);  // what the list of the query before adds to its sums
  V largest = hn::Zero(d);
  std::size_t list = SIZE_MAX;  // of the query before
  for (std::size_t i = 0; i < count; i += kListGroup) {
    const unsigned bits = bytes[i / kListGroup];
    const std::size_t base = list + (bits & 1U);
    const V lane_list = table_row(kStartTable.list[bits]);
    hn::StoreU(permuted(hn::LoadU(d, lists.sources + base), lane_list), d, out.sources + i);
    const V first = permuted(hn::LoadU(d, lists.firsts + base), lane_list);
    const V sum = permuted(hn::LoadU(d, sums + (i - base)), hn::Sub(lane, lane_list));
    const V own = hn::Sub(first, permuted(sum, table_row(kStartTable.start[bits])));
    const V added =
        hn::IfThenElse(hn::FirstN(d, static_cast<std::size_t>(std::countr_zero(bits | 256U))), carried, own);
    const V target = hn::Add(sum, added);
    hn::StoreU(target, d, out.targets + i);
    largest = hn::Max(largest, target);
    carried = permuted(added, end);
    list += static_cast<std::size_t>(std::popcount(bits));
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

#else

HWY_INLINE std::uint32_t end_firsts(bool are_changes, std::uint32_t base, std::size_t count, std::uint32_t* firsts) {
  std::uint32_t largest = 0;
  std::uint32_t first = base;
  for (std::size_t j = 0; j < count; ++j) {
    const std::uint32_t change = firsts[j] >> 1 ^ (0 - (firsts[j] & 1));
    first = are_changes ? first + change : base + firsts[j];
    firsts[j] = first;
    largest = first > largest ? first : largest;
  }
  return largest;
}

#endif

/// add_gaps() where the sum is at most `most`.
HWY_INLINE std::uint64_t add_gaps_below(const std::uint32_t* gaps, std::size_t count, std::uint32_t first,
                                        std::uint64_t most, std::uint32_t* out) {
#if TESSERA_PACKING_IS_WIDE
  if (most < kBeyond) {
    add_small_gaps(gaps, count, first, out);
    return out[count];
  }
#endif
  static_cast<void>(most);
  return add_gaps_reference(gaps, count, first, out);
}

/// join_lists() of `count` queries where targets are at most `most`. `sums` is scratch for the gaps and two groups.
HWY_INLINE std::uint64_t join_lists_below(
    const Lists& lists, std::size_t count, std::uint64_t most,
    std::uint32_t* sums,  // NOLINT(readability-non-const-parameter): narrow targets do not write it
    const JoinedLists& out) {
#if TESSERA_PACKING_IS_WIDE
  if (most < kBeyond) {
    add_small_gaps(lists.gaps, count - lists.count, 0, sums);
    return join_small_lists(lists, sums, count, out);
  }
#endif
  static_cast<void>(most);
  static_cast<void>(sums);
  return join_lists_reference(lists, count, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#endif
