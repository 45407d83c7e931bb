// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

namespace tessera::kernels {

/// Sums over the tiles of a part, and over the targets of a query, run in so many lanes.
inline constexpr std::size_t kTileLanes = 16;
/// Sums over the losses of a part in a step run in so many lanes.
inline constexpr std::size_t kLossLanes = 256;

/// value(0) + ... + value(count - 1), in double and in an order that threads can share: lane l adds the values i with
/// i mod kLanes = l, in order; then lane l takes lane l + kLanes / 2, and so on by halves.
template <std::size_t kLanes, class Value>
double lane_sum(std::size_t count, const Value& value) {
  std::array<double, kLanes> lanes{};
  for (std::size_t i = 0; i < count; ++i) lanes.at(i % kLanes) += value(i);
  for (std::size_t width = kLanes / 2; width > 0; width /= 2)
    for (std::size_t l = 0; l < width; ++l) lanes.at(l) += lanes.at(l + width);
  return lanes[0];
}

}  // namespace tessera::kernels
