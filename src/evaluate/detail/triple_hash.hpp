// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"
#include "core/mix.hpp"

#include <cstdint>

namespace tessera::evaluate::detail {

/// A hash of a triple; both queries of the triple give the same value. `relation` is directed; `relations` counts plain
/// ones.
inline std::uint64_t triple_hash(EntityId source, RelationId relation, EntityId target, std::uint64_t relations) {
  const bool inverse = relation.value() >= relations;
  const std::uint64_t head = (inverse ? target : source).value();
  const std::uint64_t tail = (inverse ? source : target).value();
  const std::uint64_t plain = relation.value() - (inverse ? relations : 0);
  return mix(mix(mix(head + kMixStep) + plain) + tail);
}

}  // namespace tessera::evaluate::detail
