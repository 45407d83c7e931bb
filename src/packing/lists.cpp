// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/detail/lists.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/lists.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "packing/detail/kernels-inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::packing::detail {
namespace HWY_NAMESPACE {

std::uint64_t add_gaps_wide(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint64_t most,
                            std::uint32_t* out) {
  return add_gaps_below(gaps, count, first, most, out);
}

std::uint64_t join_lists_wide(const Lists& lists, std::size_t count, std::uint64_t most, std::uint32_t* sums,
                              const JoinedLists& out) {
  return join_lists_below(lists, count, most, sums, out);
}

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

std::uint64_t join_lists_reference(const Lists& lists, std::size_t count, const JoinedLists& out) {
  std::uint64_t largest = 0;
  std::uint64_t target = 0;
  std::size_t list = SIZE_MAX;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_start = (lists.starts[i / 64] >> (i % 64) & 1) != 0;
    list += is_start ? 1 : 0;
    target = is_start ? lists.firsts[list] : target + lists.gaps[i - list - 1] + 1;
    out.sources[i] = lists.sources[list];
    out.targets[i] = static_cast<std::uint32_t>(target);
    largest = std::max(largest, target);
  }
  return largest;
}

std::uint64_t add_gaps(const std::uint32_t* gaps, std::size_t count, std::uint32_t first, std::uint32_t* out) {
  const std::uint64_t most = std::accumulate(gaps, gaps + count, std::uint64_t{first} + count);
  return HWY_DYNAMIC_DISPATCH(add_gaps_wide)(gaps, count, first, most, out);
}

std::uint64_t join_lists(const Lists& lists, std::size_t count, const JoinedLists& out) {
  const std::size_t gaps = count - lists.count;
  const std::uint64_t largest = *std::max_element(lists.firsts, lists.firsts + lists.count);
  const std::uint64_t most = std::accumulate(lists.gaps, lists.gaps + gaps, largest + gaps);
  std::vector<std::uint32_t> sums(gaps + 1 + 2 * kListGroup);
  return HWY_DYNAMIC_DISPATCH(join_lists_wide)(lists, count, most, sums.data(), out);
}

}  // namespace tessera::packing::detail
#endif
