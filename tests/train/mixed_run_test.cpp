// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// A whole run whose ranks have different engines: all do the same around the epochs, too.

#include "support/graph_fixture.hpp"
#include "train/engine_runs.hpp"
#include "train/loop/trainer.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace tessera {
namespace {

using test::EngineKind;

// Validated every other epoch, so that engines are asked for their parameters after some epochs and not after others.
std::string run(const test::StoredGraph& stored, Job job, EngineKind kind, std::int32_t ranks) {
  job.train.epochs = 5;
  job.validate.every = 2;
  job.run.folder = stored.run_folder() / std::to_string(ranks);
  std::string digest;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    test::Trained trained(comm, stored, job, kind, kernels::cpu_backend());
    train::Trainer trainer({comm, trained.shard, job, trained.parameters, 1, kernels::cpu_backend(), trained.pool, {}},
                           *trained.engine, false);
    train::TrainerHooks hooks;
    hooks.validation = [&] {
      return train::Validation{static_cast<double>(comm.reduce(1, comm::Reduction::kSum)) / ranks};
    };
    if (kind == EngineKind::kMixed) hooks.device_use = [] { return memory::DeviceUse{7, 9}; };
    const train::Outcome outcome = trainer.run(hooks);
    if (comm.is_root()) digest = outcome.parameter_digest;
  });
  return digest;
}

TEST(MixedRun, HasTheBitsOfOneRank) {
  const test::StoredGraph stored(test::random_graph({}), test::kRunParts);
  Job job = test::small_job();
  const std::string expected = run(stored, job, EngineKind::kBlocks, 1);
  EXPECT_EQ(run(stored, job, EngineKind::kMixed, 2), expected);
  job.run.placement = "1,3,1";
  EXPECT_EQ(run(stored, job, EngineKind::kMixed, 3), expected);
}

}  // namespace
}  // namespace tessera
