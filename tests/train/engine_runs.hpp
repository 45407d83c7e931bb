// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/checkpoint.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "comm/transport.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/loop/placement.hpp"
#include "train/queries/queries_engine.hpp"
#include "train/rows/rows_engine.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

// Small runs of the engines, on the host.
namespace tessera::test {

constexpr std::uint32_t kRunParts = 5;

inline Job small_job() {
  Job job;
  job.model.dim = 12;
  job.model.init_scale = 0.3;
  job.train.batch_size = 96;
  job.negatives.count = 40;
  job.negatives.scope = "all";
  job.exchange.mode = "queries";
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.01;
  return job;
}

/// A change of small_job() with a name.
struct JobCase {
  const char* name;
  void (*change)(Job&);
};
inline std::ostream& operator<<(std::ostream& out, const JobCase& tested) { return out << tested.name; }

struct RunResult {
  std::string digest;
  std::vector<double> losses;
  std::array<std::uint64_t, memory::kTagCount> used{};  ///< bytes that the engine's executor took, by tag
  bool operator==(const RunResult& other) const { return digest == other.digest && losses == other.losses; }
};
inline std::ostream& operator<<(std::ostream& out, const RunResult& result) {
  return out << result.digest << ", last loss " << result.losses.back();
}

/// How the engine runs. kBlocks: as on the host. The others work on whole parts, as on a device: kWhole exchanges from
/// memory to memory, as devices that see each other do; kStaged through other memory, as devices that do not. kMixed:
/// kStaged on even ranks, kBlocks on odd ones; of EngineSetup::device_ranks, all but kBlocks say that there are some.
enum class EngineKind { kBlocks, kWhole, kStaged, kMixed };

/// Memory and kernels of a run's executor.
struct HostParts {
  memory::Pool& pool;  ///< of the executor
  const kernels::Backend& backend;
  std::size_t threads = 1;
};

inline std::unique_ptr<train::Engine> make_host_engine(const train::EngineSetup& setup, EngineKind kind,
                                                       const HostParts& parts) {
  using kernels::Space;
  if (kind == EngineKind::kMixed) kind = setup.comm.rank().value() % 2 == 0 ? EngineKind::kStaged : EngineKind::kBlocks;
  using execution::HostThreads;
  const auto cut = kind == EngineKind::kBlocks ? HostThreads::Cut::kBlocks : HostThreads::Cut::kNone;
  auto executor = std::make_unique<execution::HostExecutor>(parts.pool, parts.backend, HostThreads(parts.threads, cut));
  const bool moves_queries = setup.job.exchange.mode == "queries";
  std::unique_ptr<comm::RankTransport<Space::kHost>> transport;
  if (kind == EngineKind::kStaged)
    transport = std::make_unique<execution::StagedTransport<Space::kHost>>(
        setup.comm, *executor, setup.pool,
        moves_queries ? train::largest_exchange_bytes(setup)
                      : train::rows_sizes(setup).largest_exchange_bytes(setup.shard));
  else
    transport = std::make_unique<comm::HostTransport>(setup.comm);
  auto execution = std::make_unique<train::RankExecution<Space::kHost>>(std::move(executor), std::move(transport));
  if (moves_queries) return std::make_unique<train::QueriesEngine<Space::kHost>>(setup, std::move(execution));
  return std::make_unique<train::RowsEngine<Space::kHost>>(setup, std::move(execution));
}

/// A rank's engine, its parameters initialised, with all that it works on.
struct Trained {
  Trained(comm::Communicator& of, const StoredGraph& stored, const Job& job, EngineKind kind,
          const kernels::Backend& backend, std::size_t threads = 1)
      : comm(of),
        shard(stored.load(of.rank(), placement(of, stored, job), pool)),
        parameters(shard, job.model, model::state_shape(job.optimiser.name), pool, train::row_memory(shard, job)) {
    train::EngineSetup setup{of, shard, job, parameters, threads, backend, pool, sampling::count_items(of, shard, job)};
    setup.device_ranks = kind == EngineKind::kBlocks ? 0 : 1;
    engine = make_host_engine(setup, kind, {executor_pool, backend, threads});
    parameters.initialise(job.model, job.run.seed);
  }

  /// As job.run.placement says for the parts that are there.
  static graph::Placement placement(comm::Communicator& comm, const StoredGraph& stored, Job job) {
    job.data.parts = stored.manifest().part_count();
    return train::give_out_parts(comm, job, "", {}).placement;
  }

  RunResult run(std::uint32_t first_epoch, std::uint32_t end_epoch) {
    RunResult result;
    for (std::uint32_t epoch = first_epoch; epoch < end_epoch; ++epoch)
      result.losses.push_back(engine->run_epoch(epoch, nullptr));
    engine->download_parameters();
    result.digest = checkpoint::parameter_digest(comm, shard, parameters);
    for (std::size_t tag = 0; tag < result.used.size(); ++tag)
      result.used.at(tag) = executor_pool.use(static_cast<memory::Tag>(tag)).bytes;
    return result;
  }

  static constexpr std::uint64_t kPoolBytes = std::uint64_t{256} << 20U;
  comm::Communicator& comm;
  memory::Pool pool{kPoolBytes};
  memory::Pool executor_pool{kPoolBytes};
  graph::Shard shard;
  model::Parameters parameters;
  std::unique_ptr<train::Engine> engine;
};

inline RunResult train_alone(const StoredGraph& stored, const Job& job, EngineKind kind,
                             const kernels::Backend& backend, std::uint32_t epochs = 2) {
  const auto self = comm::make_self_communicator();
  return Trained(*self, stored, job, kind, backend).run(0, epochs);
}

/// That of rank 0.
inline RunResult train_on(std::int32_t ranks, const StoredGraph& stored, const Job& job, EngineKind kind,
                          const kernels::Backend& backend) {
  RunResult result;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    const RunResult mine = Trained(comm, stored, job, kind, backend).run(0, 2);
    if (comm.is_root()) result = mine;
  });
  return result;
}

}  // namespace tessera::test
