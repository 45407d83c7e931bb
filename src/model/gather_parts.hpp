// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "graph/shard.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::model {

/// Collective. `own` has `each` values of every part of this rank, in part order; the result has those of all parts.
template <class T>
std::vector<T> gather_parts(comm::Communicator& comm, const graph::Placement& placement, std::span<const T> own,
                            std::size_t each = 1) {
  std::vector<std::uint64_t> bytes;
  for (std::int32_t r = 0; r < comm.size(); ++r) bytes.push_back(placement.part_count(Rank(r)) * each * sizeof(T));
  std::vector<T> all(placement.part_count() * each);
  comm.all_gather(std::as_bytes(own), std::as_writable_bytes(std::span(all)), bytes);
  return all;
}

}  // namespace tessera::model
