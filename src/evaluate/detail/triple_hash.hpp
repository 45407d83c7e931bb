// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <cstdint>

namespace tessera::evaluate::detail {

/// The finaliser of SplitMix64.
inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

/// The same for both queries of a triple. `relation` is directed, of `relations` plain ones.
inline std::uint64_t triple_hash(EntityId source, RelationId relation, EntityId target, std::uint64_t relations) {
  const bool inverse = relation.value() >= relations;
  const std::uint64_t head = (inverse ? target : source).value();
  const std::uint64_t tail = (inverse ? source : target).value();
  const std::uint64_t plain = relation.value() - (inverse ? relations : 0);
  return mix(mix(mix(head + 0x9E3779B97F4A7C15U) + plain) + tail);
}

}  // namespace tessera::evaluate::detail
