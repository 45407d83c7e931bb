// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::memory {

/// The purpose of an allocation; peaks are reported by tag.
enum class Tag : std::uint8_t {
  kRows,        ///< entity and relation rows
  kState,       ///< optimiser state
  kQueries,     ///< queries of the owned parts, all splits
  kBatch,       ///< index lists of the batches in flight
  kHalo,        ///< rows of other parts
  kGradients,   ///< gradients of rows
  kLogits,      ///< scores and softmax weights
  kExchange,    ///< send and receive buffers
  kEvaluation,  ///< blocks of queries that are ranked or searched
  kAverage,     ///< averages of entity and relation rows
  kNegatives,   ///< copies of sampled candidate rows
  kWorkspace,   ///< what products of a device convert their operands in
  kCheckpoint,  ///< a copy of rows and states, from which a checkpoint is written
};
inline constexpr std::size_t kTagCount = 13;

/// "rows", "state", ...
const char* name(Tag tag);

struct TagUse {
  std::uint64_t bytes = 0;
  std::uint64_t peak_bytes = 0;
};

}  // namespace tessera::memory
