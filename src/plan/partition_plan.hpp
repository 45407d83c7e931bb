// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::plan {

/// What `tessera partition` takes with a method, by formulas that measurements confirm (partition/README.md). It runs
/// in one process, METIS in a child.
struct PartitionPlan {
  std::string method;
  std::uint64_t process_bytes = 0;
  std::uint64_t metis_bytes = 0;  ///< of the child
  [[nodiscard]] std::uint64_t bytes() const { return process_bytes + metis_bytes; }
};

/// The methods "metis" and "stream". Pairs of entities with several triples count once in METIS; as many pairs as
/// triples are taken to be there.
std::vector<PartitionPlan> plan_partition(std::uint64_t entities, std::uint64_t triples);

}  // namespace tessera::plan
