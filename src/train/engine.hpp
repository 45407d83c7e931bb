// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/job.hpp"
#include "core/progress.hpp"
#include "core/stage_times.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "sampling/query_items.hpp"
#include "train/optimiser.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tessera::train {

/// The objects and settings of an engine and of the run around it. All of them outlive the engine.
struct EngineSetup {
  comm::Communicator& comm;
  const graph::Shard& shard;
  const Job& job;
  model::Parameters& parameters;  ///< made with halo_rows()
  std::size_t threads;
  const kernels::Backend& backend;
  memory::Pool& pool;
  std::vector<sampling::ItemCount>
      items;  ///< count_items() for what job.train.group_queries says; only for moving queries
  memory::DevicePool* device_pool = nullptr;  ///< pool of the rank's device, or null
  comm::DeviceCommunicator* links =
      nullptr;           ///< links between the devices of all ranks; null: data goes through the host
  int device_ranks = 0;  ///< how many ranks of the run compute on a device; rows that move need to know
  memory::Pool* planned_device = nullptr;  ///< for plans: the engine takes memory of this pool, as if on a device
};

/// The training loop of one rank. Everything is allocated when it is made; epochs allocate nothing.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Collective. One pass over all queries; returns the mean loss, the same bits on every rank and any number of them.
  /// Throws AgreedError(kBadData) naming the step when a loss is not finite.
  virtual double run_epoch(std::uint32_t epoch, Progress* progress) = 0;
  double run_epoch(std::uint32_t epoch) { return run_epoch(epoch, nullptr); }

  /// The time of each stage of this rank in the last epoch.
  [[nodiscard]] virtual StageTimes stage_times() const { return {}; }
  /// Describes the engine in words: "moves rows; ...".
  [[nodiscard]] virtual std::string description() const = 0;
  /// The optimiser that updates the parameters; it knows the learning rate.
  [[nodiscard]] virtual Optimiser& optimiser() = 0;

  /// Whether the engine trains a copy of the parameters of its own, wherever that is: those of its setup are then what
  /// they were at the start, or when download_parameters() was called last.
  [[nodiscard]] virtual bool holds_parameters() const { return false; }
  /// Makes the parameters of the setup, with their optimiser state, those after the last epoch.
  virtual void download_parameters() {}
  /// Entity rows of every owned part on the device of the setup, where the engine has them in fp32; else none. Between
  /// download_parameters() and the next epoch they are those of the setup's parameters.
  [[nodiscard]] virtual std::vector<kernels::ConstDeviceMatrix> device_rows() const { return {}; }
};

/// Rows behind each part's own that its halo needs; for Parameters. `job.exchange.mode` is decided.
std::vector<std::uint64_t> halo_rows(const graph::Shard& shard, const Job& job);

/// The engine of `job.exchange.mode` for what this rank computes with: ranks with and without a device work together.
/// Throws Error(kOverBudget) when the pool is too small. Not collective.
std::unique_ptr<Engine> make_engine(const EngineSetup& setup);

}  // namespace tessera::train
