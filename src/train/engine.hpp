// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/epoch_sums.hpp"
#include "core/job.hpp"
#include "core/progress.hpp"
#include "core/stage_times.hpp"
#include "graph/shard.hpp"
#include "kernels/backend.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"
#include "sampling/query_items.hpp"
#include "sampling/round.hpp"
#include "train/optimiser.hpp"
#include "train/pass.hpp"

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
  model::Parameters& parameters;  ///< made with row_memory()
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
  sampling::Round round = {};              ///< in which `shard` has some parts of the whole graph only

  /// Entities for which sampled candidates stand.
  [[nodiscard]] std::uint64_t entities() const {
    return round.places > 0 ? round.entities : shard.manifest.entity_count;
  }
};

/// The training loop of one rank. An epoch is cut into segments, always in the same way. Nothing is in flight between
/// two of them: what comes after depends on the parameters, their states and the sums of the epoch alone.
class Engine {
 public:
  Engine() = default;
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Segments of an epoch.
  [[nodiscard]] virtual std::uint64_t segments() const = 0;
  /// Collective. Trains one segment of an epoch, and adds it to `sums`, which has the segments before it. The sums have
  /// the same bits on every rank and any number of them. Throws AgreedError(kBadData) naming the step when a loss is
  /// not finite.
  virtual void run_segment(std::uint32_t epoch, std::uint64_t segment, EpochSums& sums, Progress* progress) = 0;
  /// Collective. All segments of an epoch; returns its mean loss.
  double run_epoch(std::uint32_t epoch, Progress* progress = nullptr);

  /// The time of each stage of this rank in the last segment.
  [[nodiscard]] virtual StageTimes stage_times() const { return {}; }
  /// Describes the engine in words: "moves rows; ...".
  [[nodiscard]] virtual std::string description() const = 0;
  /// The optimiser that updates the parameters; it knows the learning rate.
  [[nodiscard]] virtual Optimiser& optimiser() = 0;

  /// Whether the engine trains a copy of the parameters of its own, wherever that is: those of its setup are then what
  /// they were at the start, or when download_parameters() was called last. The same holds between two segments.
  [[nodiscard]] virtual bool holds_parameters() const { return false; }
  /// Collective. Makes the parameters of the setup, with their optimiser state, those after the last segment.
  virtual void download_parameters() {}
  /// Whether training may have changed a part, of any rank, since forget_changes(). The same on all ranks.
  [[nodiscard]] virtual bool has_changed(PartId /*part*/) const { return true; }
  virtual void forget_changes() {}
  /// Entity rows of every owned part on the device of the setup, where the engine has them in fp32; else none. Between
  /// download_parameters() and the next epoch they are those of the setup's parameters.
  [[nodiscard]] virtual std::vector<kernels::ConstDeviceMatrix> device_rows() const { return {}; }

 private:
  EpochSums sums_;  // of run_epoch()
};

/// An engine over a graph whose rows are all in memory. Everything is allocated when it is made; passes allocate
/// nothing.
class PassEngine : public Engine {
 public:
  explicit PassEngine(const EngineSetup& setup);

  /// Collective. Trains the steps of a pass and adds them to `sums`, as run_segment() does.
  virtual void run_pass(const Pass& pass, EpochSums& sums, Progress* progress) = 0;
  /// Steps over all queries of the graph.
  [[nodiscard]] virtual std::uint64_t steps() const = 0;
  /// Training queries of the graph.
  [[nodiscard]] virtual std::uint64_t queries() const = 0;

  [[nodiscard]] std::uint64_t segments() const final;
  void run_segment(std::uint32_t epoch, std::uint64_t segment, EpochSums& sums, Progress* progress) final;

 private:
  std::uint64_t segment_steps_;
};

/// The most steps of a segment: train.segment_steps, or a number that follows from the sizes of job and graph.
std::uint64_t segment_steps(const Job& job, const graph::PartitionManifest& manifest);

/// The formats of the rows and states of a job.
model::RowMemory row_formats(const Job& job);
/// How the parameters of a job keep entity rows: in its format, with room for the halo of each part.
/// `job.exchange.mode` is decided.
model::RowMemory row_memory(const graph::Shard& shard, const Job& job);

/// The engine of `job.exchange.mode` for what this rank computes with: ranks with and without a device work together.
/// Throws Error(kOverBudget) when the pool is too small, Error(kUsage) for weights of triples with the loss 'bce'. Not
/// collective.
std::unique_ptr<PassEngine> make_engine(const EngineSetup& setup);

}  // namespace tessera::train
