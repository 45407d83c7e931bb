// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "plan/partition_plan.hpp"

#include "partition/metis.hpp"
#include "partition/partition.hpp"

#include <algorithm>

namespace tessera::plan {

std::vector<PartitionPlan> plan_partition(std::uint64_t entities, std::uint64_t triples) {
  constexpr std::uint64_t kOfEntity = 8 + 4 + 24 + 16;  // summary, parts, signatures, order
  constexpr std::uint64_t kStreamOfEntity = 45;
  constexpr std::uint64_t kOfQuery = 16;  // while parts are written
  const std::uint64_t block = std::min(partition::PartitionOptions{}.block_bytes, kOfQuery * 2 * triples);
  return {{"metis", kOfEntity * entities + block, partition::metis_bytes(entities, triples)},
          {"stream", (kOfEntity + kStreamOfEntity) * entities + block, 0}};
}

}  // namespace tessera::plan
