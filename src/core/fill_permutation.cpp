// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/detail/fill_permutation.hpp"

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/fill_permutation.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::detail {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void fill_bytes(const ByteNetwork& network, std::uint64_t first, std::span<std::uint32_t> out) {
  fill_bytes_reference(network, first, out);
}

#else

constexpr std::size_t kTogether = 2048;

/// Numbers on their way, left half in the high byte, and where they go. Vectors write behind the last one.
struct Walk {
  std::array<std::uint16_t, kTogether + HWY_MAX_BYTES / 2> halves;
  std::array<std::uint16_t, kTogether + HWY_MAX_BYTES / 2> places;
  std::array<std::uint32_t, kTogether + HWY_MAX_BYTES / 4> done;  // places in the high half
  std::size_t done_count;
};

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3

using D16 = hn::ScalableTag<std::uint16_t>;
using V16 = hn::Vec<D16>;

/// Entry of a table of 256 for the low byte of every lane: four times 64 entries, of which two bits choose.
HWY_INLINE V16 look_up(const std::uint16_t* table, V16 bytes) {
  const D16 d;
  const auto some = [&](std::size_t k) {
    const auto* entries = table + 64 * k;
    return V16{_mm512_permutex2var_epi16(hn::LoadU(d, entries).raw, bytes.raw, hn::LoadU(d, entries + 32).raw)};
  };
  const auto bit6 = hn::TestBit(bytes, hn::Set(d, 64));
  const auto low = hn::IfThenElse(bit6, some(1), some(0));
  const auto high = hn::IfThenElse(bit6, some(3), some(2));
  return hn::IfThenElse(hn::TestBit(bytes, hn::Set(d, 128)), high, low);
}

HWY_INLINE void encrypt(const std::uint16_t* tables, std::size_t count, std::uint16_t* halves) {
  const D16 d;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    auto value = hn::LoadU(d, halves + i);
    for (std::size_t round = 0; round < ByteNetwork::kRounds; round += 2) {
      const std::uint16_t* table = tables + 256 * round;
      value = hn::Xor(value, look_up(table, value));
      value = hn::Xor(value, look_up(table + 256, hn::ShiftRight<8>(value)));
    }
    hn::StoreU(value, d, halves + i);
  }
}

#else

HWY_INLINE void encrypt(const std::uint16_t* tables, std::size_t count, std::uint16_t* halves) {
  for (std::size_t i = 0; i < count; ++i) halves[i] = ByteNetwork::encrypt(tables, halves[i]);
}

#endif

/// Moves the numbers that are below `size` to those that are done. Returns how many are left, in front.
HWY_INLINE std::size_t sort_out(const ByteNetwork& network, std::size_t count, Walk& walk) {
  const hn::ScalableTag<std::uint32_t> d;
  const hn::Rebind<std::uint16_t, decltype(d)> d16;
  const auto last = hn::Set(d, network.end() - 1);
  std::size_t left = 0;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const std::size_t lanes = std::min(hn::Lanes(d), count - i);
    const auto value = hn::PromoteTo(d, hn::LoadU(d16, walk.halves.data() + i));
    const auto place = hn::PromoteTo(d, hn::LoadU(d16, walk.places.data() + i));
    const auto both = hn::Or(hn::ShiftLeft<16>(place), value);
    const auto valid = hn::FirstN(d, lanes);
    const auto walks = hn::And(hn::Gt(value, last), valid);
    const auto kept = hn::Compress(both, walks);
    const std::size_t some = hn::CountTrue(d, walks);
    hn::StoreU(hn::Compress(both, hn::AndNot(walks, valid)), d, walk.done.data() + walk.done_count);
    hn::StoreU(hn::TruncateTo(d16, kept), d16, walk.halves.data() + left);
    hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(kept)), d16, walk.places.data() + left);
    left += some;
    walk.done_count += lanes - some;
  }
  return left;
}

void fill_bytes(const ByteNetwork& network, std::uint64_t first, std::span<std::uint32_t> out) {
  Walk walk;
  for (; !out.empty(); out = out.subspan(walk.done_count), first += walk.done_count) {
    std::size_t count = std::min(kTogether, out.size());
    for (std::size_t k = 0; k < count; ++k) {
      walk.halves[k] = network.split(static_cast<std::uint32_t>(first + k));
      walk.places[k] = static_cast<std::uint16_t>(k);
    }
    walk.done_count = 0;
    while (count > 0) {
      encrypt(network.tables, count, walk.halves.data());
      count = sort_out(network, count, walk);
    }
    for (std::size_t k = 0; k < walk.done_count; ++k) out[walk.done[k] >> 16U] = network.join(walk.done[k] & 0xFFFFU);
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tessera::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::detail {

HWY_EXPORT(fill_bytes);

void fill_bytes(const ByteNetwork& network, std::uint64_t first, std::span<std::uint32_t> out) {
  HWY_DYNAMIC_DISPATCH(fill_bytes)(network, first, out);
}

void fill_bytes_reference(const ByteNetwork& network, std::uint64_t first, std::span<std::uint32_t> out) {
  for (std::size_t k = 0; k < out.size(); ++k) {
    std::uint16_t halves = network.split(static_cast<std::uint32_t>(first + k));
    do halves = ByteNetwork::encrypt(network.tables, halves);
    while (halves >= network.end());
    out[k] = network.join(halves);
  }
}

}  // namespace tessera::detail
#endif
