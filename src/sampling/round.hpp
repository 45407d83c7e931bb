// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ids.hpp"

#include <cmath>
#include <cstdint>

namespace tessera::sampling {

/// What a round of training knows of the whole graph, when only some groups of parts are in memory. The parts in memory
/// are numbered; parts k and k + `places` are of one group.
///
/// The group of a query's source is in memory in every round of the source. Any other group is there in (places - 1) of
/// (groups - 1) of them, so that its entities, as negatives and as targets, stand for more. With the logarithm of that
/// as a prior, the softmax of a round is that of the whole graph under the condition that the target is in memory
/// (McFadden's correction of sampled alternatives, 1978): no round pulls scores away from the others.
struct Round {
  std::uint64_t entities = 0;  ///< of the whole graph
  std::uint32_t groups = 0;    ///< of the whole graph
  std::uint32_t places = 0;    ///< groups in memory; 0: all parts are in memory, nothing else is set

  /// The prior of an entity of part `of` for a query whose source is of part `source`.
  [[nodiscard]] float prior(PartId source, PartId of) const {
    if (source.value() % places == of.value() % places) return 0;
    return static_cast<float>(std::log(static_cast<double>(groups - 1) / static_cast<double>(places - 1)));
  }
};

}  // namespace tessera::sampling
