// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/detail/grid.hpp"

#include <bit>
#include <cmath>
#include <cstdint>

// Reductions over a row in the 16 fixed lanes of the contract: lane l takes the elements j with j mod 16 = l, in order;
// the lanes are added as a fixed tree. Here a lane is a thread.
namespace tessera::kernels::cuda {

constexpr unsigned kLanes = 16;
constexpr unsigned kLaneRows = 8;  ///< rows of a block
constexpr unsigned kLaneThreads = kLanes * kLaneRows;

/// The place of a thread: its row, that row's slot within the block, and its lane.
struct LaneAt {
  std::size_t row;
  unsigned slot;
  unsigned lane;
  TESSERA_HOST_DEVICE explicit LaneAt(At at)
      : row(at.block * kLaneRows + at.thread / kLanes), slot(at.thread / kLanes), lane(at.thread % kLanes) {}
};

/// The 16 numbers of each row of a block, one from each lane.
template <class T>
struct LaneValues {
  T at[kLaneRows][kLanes];
};

/// Adds lanes l and l + 8, then those 4, 2 and 1 apart.
template <class T>
TESSERA_HOST_DEVICE T sum_tree(const T (&lanes)[kLanes]) {
  T sums[kLanes / 2];
  TESSERA_UNROLL
  for (unsigned l = 0; l < kLanes / 2; ++l) sums[l] = lanes[l] + lanes[l + kLanes / 2];
  TESSERA_UNROLL
  for (unsigned width = kLanes / 4; width > 0; width /= 2) {
    TESSERA_UNROLL
    for (unsigned l = 0; l < width; ++l) sums[l] += sums[l + width];
  }
  return sums[0];
}

/// The float with exponent bits n + 127, n + 127 being in the low bits of `magic`.
TESSERA_HOST_DEVICE inline float power_of_two(float magic) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(__float_as_uint(magic) << 23U);
#else
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magic) << 23U);
#endif
}

/// exp(x) for x <= 0 by the operations, and so with the bits, of cpu/detail/exponential_inl.hpp: right to about one
/// unit in the last place; 0 for x < -87.3, NaN for NaN.
TESSERA_HOST_DEVICE inline float exponential(float x) {
  const float magic = 12582912.0F + 127.0F;
  const float rounded = fmaf(x, 1.44269504088896341F, magic);
  const float n = rounded - magic;
  float r = fmaf(n, -0.693359375F, x);
  r = fmaf(n, 2.12194440e-4F, r);
  float p = 1.9875691500e-4F;
  p = fmaf(p, r, 1.3981999507e-3F);
  p = fmaf(p, r, 8.3334519073e-3F);
  p = fmaf(p, r, 4.1665795894e-2F);
  p = fmaf(p, r, 1.6666665459e-1F);
  p = fmaf(p, r, 5.0000001201e-1F);
  p = fmaf(p, r * r, r) + 1.0F;
  return x < -87.3F ? 0.0F : p * power_of_two(rounded);
}

}  // namespace tessera::kernels::cuda
