// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "partition/assignment.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::partition {

/// The global ids of a partition; 16 bytes per entity.
struct EntityOrder {
  std::vector<std::uint64_t> offsets;  ///< [P + 1] first global id of each part
  std::vector<std::uint64_t> old_ids;  ///< [N] global id -> id in graph.h5
  std::vector<std::uint64_t> new_ids;  ///< [N] id in graph.h5 -> global id
};

/// Orders entities by part, then by signature, then by degree (the highest first), then by id in graph.h5.
EntityOrder order_entities(const Assignment& assignment, std::span<const std::uint32_t> signature_ranks,
                           std::span<const std::uint32_t> degree, std::uint64_t parts);

}  // namespace tessera::partition
