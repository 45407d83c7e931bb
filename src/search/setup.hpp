// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/ids.hpp"
#include "execution/executor.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"

#include <cstdint>
#include <string>

namespace tessera::search {

/// The objects that ranking and answering share for any model: the ranks, the shard of this one, and its host. All
/// outlive their users.
struct Ranks {
  comm::Communicator& comm;
  const graph::Shard& shard;
  execution::HostExecutor& host;
};

/// The same, and a model with rows.
struct Setup : Ranks {
  const model::Parameters& parameters;
};

/// What a report says of a model.
struct ModelLabel {
  std::string name;
  std::uint64_t dim = 0;
};

/// A query in the ids of the partition.
struct Query {
  EntityId source;      ///< global
  RelationId relation;  ///< directed
};

/// Bytes that a buffer of `count` elements takes of the host's pool.
template <class T>
constexpr std::uint64_t host_bytes(std::uint64_t count) {
  return execution::buffer_bytes<kernels::Space::kHost, T>(count);
}

}  // namespace tessera::search
