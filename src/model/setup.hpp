// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"

#include <cstddef>

namespace tessera::model {

/// What ranking and searching work with: a model and everything around it. All of it outlives its users.
struct Setup {
  comm::Communicator& comm;
  const graph::Shard& shard;
  const Parameters& parameters;
  const kernels::Backend& backend;
  memory::Pool& pool;
  std::size_t threads = 1;
};

}  // namespace tessera::model
