// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/import/triples.hpp"

#include <array>
#include <cstdint>

namespace tessera::partition {

struct SplitRequest {
  double valid_fraction;
  double test_fraction;
  std::uint64_t seed;
  std::uint64_t entities;
  std::uint64_t relations;
};

/// Train, valid, test.
using ThreeSplits = std::array<SplitTriples, 3>;

/// Takes triples out of `all` in a random order, first for valid, then for test, until each has its fraction (rounded
/// to the nearest count). A triple stays in train when one of its entities or its relation would occur in no other
/// triple of train. The order is a function of the seed and of the position in sorted order, so the result depends on
/// nothing else. Memory: four bytes an entity and a sort buffer.
ThreeSplits split_at_random(SplitTriples all, const SplitRequest& request, const SortSettings& settings);

}  // namespace tessera::partition
