// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/lists.hpp"

#include <algorithm>
#include <array>
#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/lists.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef TESSERA_PACKING_START_TABLES
#define TESSERA_PACKING_START_TABLES
namespace tessera::packing::detail {

inline constexpr std::uint64_t kOverflow = ~std::uint64_t{0};

/// What eight queries take, by the bits that say which of them are starts.
struct StartTable {
  using Lanes = std::array<std::array<std::uint8_t, kListGroup>, 256>;
  Lanes list;   ///< which list, counted from that of the first query
  Lanes gap;    ///< which gap, counted from the next
  Lanes start;  ///< lane of the start of the list; 8 when it is in an earlier group
};

inline constexpr StartTable kStartTable = [] {
  StartTable table{};
  for (unsigned bits = 0; bits < 256; ++bits)
    for (unsigned lane = 0; lane < kListGroup; ++lane) {
      const unsigned until = bits & ((2U << lane) - 1);
      const auto starts = static_cast<unsigned>(std::popcount(until));
      table.list[bits][lane] = static_cast<std::uint8_t>(starts - (bits & 1U));
      table.gap[bits][lane] = static_cast<std::uint8_t>((bits >> lane & 1U) != 0 ? 0 : lane - starts);
      table.start[bits][lane] = static_cast<std::uint8_t>(until == 0 ? kListGroup : std::bit_width(until) - 1);
    }
  return table;
}();

}  // namespace tessera::packing::detail
#endif

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {

#if HWY_MAX_BYTES >= 32
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<std::uint32_t, kListGroup>;
using V = hn::Vec<D>;

HWY_INLINE V table_row(const std::array<std::uint8_t, kListGroup>& row) {
  const hn::Rebind<std::uint8_t, D> d8;
  return hn::PromoteTo(D(), hn::LoadU(d8, row.data()));
}

HWY_INLINE V permuted(V values, V lanes) { return hn::TableLookupLanes(values, hn::IndicesFromVec(D(), lanes)); }

/// Lane i - 1 of `values` in lane i; in lane 0 that of `carried`. Sums that do not ascend have overflowed.
HWY_INLINE V before_each(V values, V carried) {
  const D d;
  const V lane = hn::Iota(d, 0);
  const V shifted = permuted(values, hn::Sub(hn::Max(lane, hn::Set(d, 1)), hn::Set(d, 1)));
  return hn::IfThenElse(hn::FirstN(d, 1), carried, shifted);
}

HWY_INLINE std::uint32_t largest_lane(V values) { return hn::GetLane(hn::MaxOfLanes(D(), values)); }

/// Sums of the lanes up to each.
HWY_INLINE V prefix_sums(V x) {
  const D d;
  x = hn::Add(x, hn::ShiftLeftLanes<1>(d, x));
  x = hn::Add(x, hn::ShiftLeftLanes<2>(d, x));
  const auto lane = hn::Iota(d, 0);
  return hn::Add(x, hn::IfThenElseZero(hn::Gt(lane, hn::Set(d, 3)), permuted(x, hn::Set(d, 3))));
}

std::uint64_t add_gaps_wide(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out) {
  const D d;
  if (hn::Lanes(d) != kListGroup) return add_gaps_reference(gaps, count, first, out);
  out[0] = first;
  V last = hn::Set(d, first);
  auto falls = hn::FirstN(d, 0);
  const V one = hn::Set(d, 1);
  for (std::size_t i = 0; i < count; i += kListGroup) {
    const V gap = hn::IfThenElseZero(hn::FirstN(d, count - i), hn::Add(hn::LoadU(d, gaps + i), one));
    const V sums = hn::Add(prefix_sums(gap), last);
    falls = hn::Or(falls, hn::AndNot(hn::Gt(sums, before_each(sums, last)), hn::FirstN(d, count - i)));
    hn::StoreU(sums, d, out + i + 1);
    last = permuted(sums, hn::Set(d, 7));
  }
  return hn::AllFalse(d, falls) ? out[count] : kOverflow;
}

std::uint64_t join_lists_wide(const Lists& lists, std::size_t count, std::uint32_t* sources, std::uint32_t* targets) {
  const D d;
  if (hn::Lanes(d) != kListGroup) return join_lists_reference(lists, count, sources, targets);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(lists.starts);
  const V one = hn::Set(d, 1);
  const V lane = hn::Iota(d, 0);
  const V before = hn::Set(d, kListGroup);
  V carried = hn::Zero(d);  // target of the query before
  V largest = hn::Zero(d);
  auto falls = hn::FirstN(d, 0);
  std::size_t list = SIZE_MAX;  // of the query before
  std::size_t gap = 0;
  for (std::size_t i = 0; i < count; i += kListGroup) {
    const unsigned bits = bytes[i / 8];
    const std::size_t base = list + (bits & 1U);
    const V lane_list = table_row(kStartTable.list[bits]);
    const V start = table_row(kStartTable.start[bits]);
    hn::StoreU(permuted(hn::LoadU(d, lists.sources + base), lane_list), d, sources + i);
    const V first = permuted(hn::LoadU(d, lists.firsts + base), lane_list);
    const V all_gaps = hn::Add(hn::LoadU(d, lists.gaps + gap), one);
    const auto has_gap = hn::AndNot(hn::Eq(start, lane), hn::FirstN(d, count - i));
    const V gaps = hn::IfThenElseZero(has_gap, permuted(all_gaps, table_row(kStartTable.gap[bits])));
    const V sums = prefix_sums(gaps);
    const V own = hn::Sub(first, permuted(sums, hn::And(start, hn::Set(d, 7))));
    const V target = hn::Add(sums, hn::IfThenElse(hn::Eq(start, before), carried, own));
    hn::StoreU(target, d, targets + i);
    falls = hn::Or(falls, hn::AndNot(hn::Gt(target, before_each(target, carried)), has_gap));
    carried = permuted(target, hn::Set(d, 7));
    largest = hn::Max(largest, target);
    const auto starts = static_cast<std::size_t>(std::popcount(bits));
    list += starts;
    gap += kListGroup - starts;
  }
  return hn::AllFalse(d, falls) ? largest_lane(largest) : kOverflow;
}

#else

std::uint64_t add_gaps_wide(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out) {
  return add_gaps_reference(gaps, count, first, out);
}

std::uint64_t join_lists_wide(const Lists& lists, std::size_t count, std::uint32_t* sources, std::uint32_t* targets) {
  return join_lists_reference(lists, count, sources, targets);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing::detail {

HWY_EXPORT(add_gaps_wide);
HWY_EXPORT(join_lists_wide);

std::uint64_t add_gaps_reference(const std::uint32_t* gaps, std::size_t count, std::uint32_t first,
                                 std::uint32_t* out) {
  std::uint64_t value = first;
  out[0] = first;
  for (std::size_t i = 0; i < count; ++i) {
    value += std::uint64_t{gaps[i]} + 1;
    out[i + 1] = static_cast<std::uint32_t>(value);
  }
  return value;
}

std::uint64_t join_lists_reference(const Lists& lists, std::size_t count, std::uint32_t* sources,
                                   std::uint32_t* targets) {
  std::uint64_t largest = 0;
  std::uint64_t target = 0;
  std::size_t list = SIZE_MAX;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_start = (lists.starts[i / 64] >> (i % 64) & 1) != 0;
    list += is_start ? 1 : 0;
    target = is_start ? lists.firsts[list] : target + lists.gaps[i - list - 1] + 1;
    sources[i] = lists.sources[list];
    targets[i] = static_cast<std::uint32_t>(target);
    largest = std::max(largest, target);
  }
  return largest;
}

std::uint64_t add_gaps(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out) {
  return HWY_DYNAMIC_DISPATCH(add_gaps_wide)(gaps, count, first, out);
}

std::uint64_t join_lists(const Lists& lists, std::size_t count, std::uint32_t* sources, std::uint32_t* targets) {
  return HWY_DYNAMIC_DISPATCH(join_lists_wide)(lists, count, sources, targets);
}

}  // namespace tessera::packing::detail
#endif
