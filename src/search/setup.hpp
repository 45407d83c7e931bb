// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/ids.hpp"
#include "execution/executor.hpp"
#include "graph/shard.hpp"
#include "model/parameters.hpp"

#include <cstdint>

namespace tessera::search {

/// The objects that ranking and answering share: a model, its shard, the ranks and the host. All outlive their users.
struct Setup {
  comm::Communicator& comm;
  const graph::Shard& shard;
  const model::Parameters& parameters;
  execution::HostExecutor& host;
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
