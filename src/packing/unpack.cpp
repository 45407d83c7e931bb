// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "packing/unpack.hpp"

#include "packing/bits.hpp"

#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "packing/unpack.cpp"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#ifndef TESSERA_PACKING_SHUFFLES
#define TESSERA_PACKING_SHUFFLES
namespace tessera::packing {

/// Four numbers of one width lie in 16 bytes if they and the bits before them do.
inline constexpr unsigned kShuffledWidth = 25;

/// How eight numbers of one width are taken out of two loads of 16 bytes: bytes of each lane, then shifts.
struct Shuffle {
  std::array<std::array<std::uint8_t, 16>, 2> bytes;
  std::array<std::array<std::uint32_t, 4>, 2> shifts;
};

constexpr Shuffle make_shuffle(unsigned width) {
  Shuffle shuffle{};
  for (unsigned half = 0; half < 2; ++half) {
    const unsigned start = half * 4 * width / 8 * 8;  // bit at which the load begins
    for (unsigned lane = 0; lane < 4; ++lane) {
      const unsigned bit = (half * 4 + lane) * width - start;
      shuffle.shifts[half][lane] = bit % 8;
      for (unsigned k = 0; k < 4; ++k)
        shuffle.bytes[half][4 * lane + k] = static_cast<std::uint8_t>(bit / 8 + k < 16 ? bit / 8 + k : 15);
    }
  }
  return shuffle;
}

inline constexpr auto kShuffles = [] {
  std::array<Shuffle, kShuffledWidth + 1> shuffles{};
  for (unsigned width = 0; width <= kShuffledWidth; ++width) shuffles[width] = make_shuffle(width);
  return shuffles;
}();

}  // namespace tessera::packing
#endif

HWY_BEFORE_NAMESPACE();
namespace tessera::packing {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void unpack_shuffled(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
#if HWY_TARGET == HWY_SCALAR
  unpack_reference(bytes, width, count, out);
#else
  const hn::Full128<std::uint32_t> d;
  const hn::Full128<std::uint8_t> d8;
  const Shuffle& shuffle = kShuffles[width];
  const auto lanes0 = hn::LoadU(d8, shuffle.bytes[0].data());
  const auto lanes1 = hn::LoadU(d8, shuffle.bytes[1].data());
  const auto shifts0 = hn::LoadU(d, shuffle.shifts[0].data());
  const auto shifts1 = hn::LoadU(d, shuffle.shifts[1].data());
  const auto mask = hn::Set(d, (1U << width) - 1);
  const std::size_t second = 4 * width / 8;
  for (std::size_t i = 0; i < count; i += kUnpackGroup, bytes += width) {
    const auto low = hn::BitCast(d, hn::TableLookupBytes(hn::LoadU(d8, bytes), lanes0));
    const auto high = hn::BitCast(d, hn::TableLookupBytes(hn::LoadU(d8, bytes + second), lanes1));
    hn::StoreU(hn::And(hn::Shr(low, shifts0), mask), d, out + i);
    hn::StoreU(hn::And(hn::Shr(high, shifts1), mask), d, out + i + 4);
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::packing
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::packing {

HWY_EXPORT(unpack_shuffled);

void unpack_reference(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint32_t>(load_bits(bytes, i * width, width));
}

void unpack(const std::uint8_t* bytes, unsigned width, std::size_t count, std::uint32_t* out) {
  if (width > kShuffledWidth) return unpack_reference(bytes, width, count, out);
  HWY_DYNAMIC_DISPATCH(unpack_shuffled)(bytes, width, count, out);
}

}  // namespace tessera::packing
#endif
