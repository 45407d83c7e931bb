// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "core/job.hpp"
#include "train/loop/trainer.hpp"

#include <atomic>

namespace tessera::cli {

/// How a training is told to stop, and tells that stopping saves now.
struct StopFlags {
  const std::atomic<bool>& requested;
  std::atomic<bool>& can_save;
};

/// Collective. Trains a model that answers from the graph itself (is_graph_model()).
train::Outcome train_graph_model(comm::Communicator& comm, const Job& job, bool resume, const StopFlags& stop);

}  // namespace tessera::cli
